"""TSO, DSOs and the market operator: each runs its blocks of the scheme on its operator state.

`operator` is their base class, `admission` the admission of bids to a book, `amendment` the change of bids
between markets. Look next at `markets.coordination`. A further operator is a subclass of
`operator.Operator`.
"""
