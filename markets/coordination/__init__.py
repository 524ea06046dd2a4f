"""Coordination schemes as values: blocks, gates, what operators know, and what they share.

`block` defines `Block` and `Scheme`, `gates` their order, `state` the operator states before a scheme starts.
`driver` runs a scheme, `ledger` records what each bid has sold, `information` counts what operators share.
Look next at `markets.schemes`, the list of all schemes. A further scheme is one line there.
"""
