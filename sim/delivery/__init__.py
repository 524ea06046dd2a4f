"""Inside an ISP: forecasts, delivery, automatic reserve, meters, and the power flow that checks it all.

`physics` solves every grid after activation, `reserve` dispatches aFRR, `meters` measures deliveries against
baselines. Look next at `sim.settlement`.
"""
