"""Households as one fleet: all state in arrays, one vectorised pass an ISP.

`fleet` is the entrance, `layout` says which array element is whose, `dynamics` moves devices, `lookahead`
and `views` show ISPs to come, `fleet_agent` hears orders and is metered. Look next at `portfolios`.
"""
