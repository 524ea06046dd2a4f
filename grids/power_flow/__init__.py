"""What injections do to a grid: AC power flow, and the linear models that operators decide with.

`ac` solves the AC power flow, `dc`, `lindistflow` and `linearised_ac` are linear models, `constraints` puts
any of them into the one form that auctions read, `operator_model` is the model an operator holds of its own
grid. Look next at `markets.clearing`. A further model needs to make `constraints.GridConstraints`; a test
holds it to `ac`.
"""
