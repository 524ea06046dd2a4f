"""Non-firm connections: contracts, who is limited when, and how pools make good what they cannot deliver.

`contracts` keeps the terms, `activation` applies limits, `lv_feeders` is what a DSO sees of its feeders,
`substitution` replaces blocked energy, `curtailment_trading` lets neighbours trade. Look next at
`sim.settlement.non_firm`.
"""
