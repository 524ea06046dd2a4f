"""From a scenario to a model ready to run: grids, households, agents and their roles.

`build` puts it together, `grids` the physical side, `agents` who takes part, `services` and `non_firm` what
they do beside energy. Look next at `sim.run`. Who adds a role to an agent adds it here.
"""
