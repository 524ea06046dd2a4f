"""Layer 4, simulation: from a scenario to the tables of a run.

`run` is the main loop, `model` the Mesa model that builds its world and agents, `timetable` when gates close.
`extensions` let users add to a model, `observers` are called after every gate, `checkpoint` lets a killed run
continue. `scenario` holds all input of a run, `inputs` reads time series and `households` tables of them,
`assembly` makes the parts of a model, `clock` is time, `delivery` the physics inside an ISP, `settlement`
payments and audits, `output` the tables.
"""

if __name__ != "tandem_sim.sim":
    raise ImportError("Tandem's sim is imported as tandem_sim.sim")
