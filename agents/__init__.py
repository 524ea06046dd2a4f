"""Layer 3, agents: operators, aggregators and households, their messages and strategies.

`base` is what all agents share, `operators` and `parties` are the agents, `services` and `non_firm` their
processes besides energy markets, `strategies` how sellers bid, `portfolios` what they can offer, `households`
and `devices` the physical side of distributed flexibility.
"""

if __name__ != "tandem_sim.agents":
    raise ImportError("Tandem's agents is imported as tandem_sim.agents")
