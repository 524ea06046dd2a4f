"""What strategic bidding is worth, to whom, and who pays; signs of market power and of collusion.

`measure` sets a run against the same world with truthful bids, `structure` computes residual supply and
concentration. Look next at `markets.games`.
"""
