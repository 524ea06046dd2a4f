"""From a scenario to the parts of a model: its world, its agents and their roles, its settlement.

`world` is what a scenario describes (`grids`, `residents`, `low_voltage`), `agents` act in it, `services` and
`non_firm` add roles to them, `settlement` closes the books. Look next at `sim.model`. A further role of an
agent is added in `services`: everything else of it stands in its own class.
"""
