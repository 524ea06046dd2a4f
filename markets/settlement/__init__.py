"""Settlement: baselines, imbalance prices, and payments, each with a payer and a payee.

`payments` computes the payments of an ISP, `imbalance` and `regulation` the imbalance price, `baselines` and
`day_matching` the meter reading without activation. Look next at `sim.settlement`. A further baseline is a
method in `baselines`; a further payment is a function in `payments`.
"""
