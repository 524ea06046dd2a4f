"""From a scenario to a model ready to run: grids, households, agents and their roles.

`build` builds the model, `grids` the grids and places of households, `agents` the agents, `services` and
`non_firm` add services to them. Look next at `sim.run`. A further service of an agent is added here.
"""
