"""Layer 1, physics: networks, linear models, AC power flow, operating limits and grid data.

`documents` reads text, YAML and JSON. `io` and `matpower` read grids. `network` holds a grid as arrays,
`power_flow` computes flows and voltages from injections, `low_voltage` models feeders phase by phase.
`errors` has all errors of Tandem, `tolerances` all numerical tolerances, `types` the array types.
"""

if __name__ != "tandem_sim.grids":
    raise ImportError("Tandem's grids is imported as tandem_sim.grids")
