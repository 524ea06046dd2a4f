"""Physics: networks, linear models, AC power flow, operating limits and grid data."""
