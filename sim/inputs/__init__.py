"""What a scenario reads besides grids: time series, injections that follow them, prices and forecasts.

`profiles` has measured profiles and those of files, `injections` the elements of a grid that follow one,
`prices` and `forecasts` what is given and not simulated, `notes` what a reader of results has to know of it.
Look next at `sim.assembly`, which builds a model from it. To read something further, add a module that takes
the scenario, the folder of its paths and the `Profiles`, and raises `InputError` with the field.
"""
