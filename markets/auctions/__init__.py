"""The blocks of schemes in which something is bought: local, transmission, common and integrated markets.

`local_and_tso` has the plain markets, the others change one thing each. Look next at `grid_checks`. A
further auction is a function that returns a `coordination.block.Block`.
"""
