"""TSO, DSOs and the market operator: each runs its blocks of the scheme on what it knows.

`operator` is what they share, `admission` what a book admits, `amendment` how bids may change between
markets. Look next at `markets.coordination`. A further operator is a subclass of `operator.Operator`.
"""
