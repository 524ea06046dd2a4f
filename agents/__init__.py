"""Layer 3, agents: operators, aggregators and households, their messages and strategies.

`base` is what all share, `operators` and `parties` the agents, `services` and `non_firm` what they do
beside energy, `strategies` how sellers bid, `portfolios` what they can offer, `households` and `devices`
who delivers it.
"""

if __name__ != "tandem_sim.agents":
    raise ImportError("Tandem's agents is imported as tandem_sim.agents")
