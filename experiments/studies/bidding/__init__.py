"""Studies of strategic bidding: gaming, learning, pricing rules, the size of the market.

Each module runs one study and writes its tables and figure. Look next at `markets.games`.
"""
