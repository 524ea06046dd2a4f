"""Layer 4, simulation: from a scenario to the tables of a run.

`run` is the main loop, `model` the Mesa model, `timetable` when capacity is bought, `checkpoint` how a
killed run goes on. `scenario` is what a run is a function of, `assembly` builds the model, `clock` is time,
`delivery` what happens inside an ISP, `settlement` who pays, `output` the tables.
"""

if __name__ != "tandem_sim.sim":
    raise ImportError("Tandem's sim is imported as tandem_sim.sim")
