"""Low-voltage feeders phase by phase: three-phase power flow, and what each connection may draw or feed in.

`read_feeder` makes a `three_phase.Feeder` of a pandapower net, `limits` says what must not be exceeded,
`operating_envelope` works out guaranteed capacities. Look next at `agents.non_firm`. A further limit is a
row in `limits.limits_of`.
"""
