"""Time and bookkeeping: calendar, clock, message bus, world, run, recorder and audit."""

if __name__ != "tandem_sim.sim":
    raise ImportError("Tandem's sim is imported as tandem_sim.sim")
