"""What a scenario consumes before any activation, and how its grids bear it: for calibration before a run.

`load` has energies and extremes of net load, `grid_states` the power flows at these moments, `profile_sums`
what can be read from profiles without simulation. Look next at `sim.assembly`, which builds the model.
"""
