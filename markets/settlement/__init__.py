"""Who pays whom: baselines, imbalance prices, and payments that always have a payer and a payee.

`payments` makes the payments of an ISP, `imbalance` and `regulation` the imbalance price, `baselines` and
`day_matching` what a meter would have shown. Look next at `sim.settlement`. A further baseline is a method
in `baselines`; a further payment is a function in `payments`.
"""
