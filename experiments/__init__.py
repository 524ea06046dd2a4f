"""What a person touches: scenarios, the command line, KPIs and plots."""

if __name__ != "tandem_sim.experiments":
    raise ImportError("Tandem's experiments is imported as tandem_sim.experiments")
