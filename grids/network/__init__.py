"""Networks as arrays: buses and branches of a pandapower net, checked before any computation.

`network` is the basis of all models, `branches` the pi model, `checks` and `ranges` the rules for a net,
`contents` what is modelled of it and what is not, `elements` single loads and generators, `places` names and
coordinates for tables; `split` cuts a net at its substations, `made` builds small grids from arrays. Look
next at `power_flow`. To model a further pandapower table, enter it in `contents` and read it in `network`.
"""
