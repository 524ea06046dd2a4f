"""What agents do beside energy markets: automatic reserve, capacity, assets' qualification, reactive power.

Each module holds one service: who asks, who offers, and what they remember. Look next at
`markets.services`.
"""
