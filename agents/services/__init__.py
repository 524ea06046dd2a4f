"""Services besides energy markets: aFRR, capacity, prequalification, flexibility study, reactive power.

Each module holds one service: the buyer's side, the seller's side, and their data. Look next at
`markets.services`.
"""
