"""Market parties: aggregators, balance responsible parties, the day-ahead market.

`aggregator` pools resources and bids by a strategy, `brp` schedules demand and bears imbalance. Look next
at `strategies` and `portfolios`.
"""
