"""How close is the same, and how little is nothing: one number for one idea."""

NOTHING_MW = 1e-9
"""Power below this is none: it is not called, sets no price, and fills no limit. A need this close to a sum
of bids is that sum. Rounding of sums over thousands of bids stays below it, a product's step far above."""

ON_LIMIT = 1e-8
"""MW, or p.u.**2, within which an optimum stands on a limit: what HiGHS leaves of a constraint that binds (it
allows 1e-7 of a scaled one, and ends some orders below)."""

BROKEN = 1e-6
"""MW, or p.u.**2, beyond which a soft limit counts as broken and is worth its penalty. HiGHS leaves a limit
that is broken by less than 1e-7 as it is, and with it the dual that it has there."""

MISSED_MW = 1e-6
"""MW by which an area may miss a change of its injection that it has found to be possible, at the penalty of
unserved need. HiGHS finds the ends of what limits allow within 1e-7 of each limit, and may find nothing that
keeps all limits and has exactly such an end."""
