"""Auctions as blocks of schemes: local, transmission, common and integrated markets.

`local_and_tso` has the basic markets; each other module changes one property of them. Look next at
`grid_checks`. A further auction is a subclass of `coordination.block.Block`.
"""
