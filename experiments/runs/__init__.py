"""From a scenario file to a finished run folder.

`scenario` reads a file, `bundled` finds what travels with Tandem, `run` simulates and writes tables, key
figures, figures and manifest. Look next at `sim.run`.
"""
