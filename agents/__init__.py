"""Who acts: operators, aggregators, the household fleet; their messages and strategies."""

if __name__ != "tandem_sim.agents":
    raise ImportError("Tandem's agents is imported as tandem_sim.agents")
