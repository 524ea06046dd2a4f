"""Non-firm connections: contracts, their activation, and the substitution of blocked energy.

`contracts` holds the terms, `activation` sets limits, `lv_feeders` computes the state of LV feeders,
`substitution` replaces energy that limits block, `curtailment_trading` is the trade of limits among customers
of a feeder. Look next at `sim.settlement.non_firm`.
"""
