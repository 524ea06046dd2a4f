"""Networks as arrays: buses and branches of a pandapower net, checked before anything is computed with them.

`network` is what all models are built from, `branches` the pi model, `checks` and `ranges` what a net must
hold, `contents` what is modelled of it and what is not, `split` cuts a net at its substations. Look next at
`power_flow`. To model a further pandapower table, say so in `contents` and read it in `network`.
"""
