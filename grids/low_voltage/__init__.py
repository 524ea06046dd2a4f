"""Low-voltage feeders phase by phase: three-phase power flow, and guaranteed capacities of connections.

`read_feeder` makes a `three_phase.Feeder` of a pandapower net, `limits` has its limits of voltage and
current, `operating_envelope` computes guaranteed capacities. Look next at `agents.non_firm`. A further limit
is an entry in `limits.limits_of`.
"""
