"""Strategies of sellers by name, and what each does.

Names only: help, completion and checks of typed names need no numerical library.
"""

from __future__ import annotations

ABOUT_STRATEGIES: dict[str, str] = {
    "truthful": "bids everything at cost",
    "fixed-markup": "bids everything at cost plus a markup in EUR/MWh",
    "withholding": "bids at cost and withholds a share of its available MW",
    "baseline-inflation": "bids at cost and declares more consumption than it expects",
    "roth-erev": "learns a mark-up by propensities (Roth and Erev, 1995)",
    "q-learning": "learns a mark-up by day-ahead price (tabular Q-learning)",
    "exp3": "learns a mark-up and which market to serve (Auer et al., 2002)",
    "best-response": "bids what would have earned most against the last published bids",
    "inc-dec": "causes congestion day-ahead and is paid to relieve it (Hirth and Schlecht, 2018)",
}
"""Strategies that a scenario may name; a class of one's own is named ``module:Class``."""
