"""Coordination schemes as values: blocks, gates, what operators know, and what they share.

`operator_state` defines what an operator can know, entry by entry, `entries` the parts of some entries, and
`state` the states before a scheme starts. `block` defines `Block` and `Scheme`, `gates` their order. `driver`
runs blocks and schemes, `ledger` records what each bid has sold, `information` counts what operators share.
Look next at `markets.schemes`, the list of all schemes. A further scheme is one line there.
"""
