"""Checks by DSOs that keep the TSO's purchases from violating limits of distribution grids.

`prequalification` limits bids before the TSO buys (`ac_worst` searches the worst activation in the AC power
flow), `postqualification` refuses awards afterwards, `flexibility_study` and `study_register` decide once for
many ISPs. Look next at `auctions.mol_validation`. A further check is a block.
"""
