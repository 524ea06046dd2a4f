"""Households as one fleet: all state in arrays, one vectorised pass per ISP.

`fleet` is the entry point, `layout` holds the fixed arrays, `dynamics` simulates devices, `lookahead`
computes later ISPs, `views` are the results, `fleet_agent` receives orders and is metered. Look next at
`portfolios`.
"""
