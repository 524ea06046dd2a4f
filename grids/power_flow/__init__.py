"""Flows and voltages from injections: AC power flow, and the linear models with which operators decide.

`ac` solves the AC power flow; `dc`, `lindistflow` and `linearised_ac` are linear models. `constraints` brings
them into the one form that auctions read; `ac_limits` has the limits of the AC power flow; `operator_model`
is the model that an operator has of its own grid. Look next at `markets.clearing`. A further model returns
`constraints.GridConstraints`; a test compares it with `ac`.
"""
