"""Settlement of an ISP: deliveries, payments, and audits that stop a run whose books do not balance.

`settler` closes an ISP, `accounts` sums purchases and sales, `audit` checks ledger, energy and money,
`reconcile` checks the finished tables against each other. Look next at `markets.settlement`.
"""
