"""Orders and their rules: bids, products, pooling of small bids, penalties, flexibility register, zones.

`bids.Bids` is the one form of an order book. Look next at `clearing`. A further rule for bids is a field of
`products.Product`, checked where books close.
"""
