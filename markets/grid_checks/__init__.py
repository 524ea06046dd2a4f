"""How DSOs keep the TSO's purchases from breaking their grids: before the market, after it, or by a study.

`prequalification` limits bids before the TSO buys, `postqualification` refuses afterwards,
`flexibility_study` and `study_register` do it once for many ISPs. Look next at `auctions.mol_validation`. A
further check is a block.
"""
