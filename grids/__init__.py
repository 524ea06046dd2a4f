"""Physics: networks, linear models, AC power flow, operating limits and grid data."""

if __name__ != "tandem_sim.grids":
    raise ImportError("Tandem's grids is imported as tandem_sim.grids")
