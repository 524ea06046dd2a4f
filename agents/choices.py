"""Strategies of sellers by name, and what each does.

Names only, so that help, completion and checks of what a person typed need no library.
"""

from __future__ import annotations

ABOUT_STRATEGIES: dict[str, str] = {
    "truthful": "bids everything at cost",
    "fixed-markup": "bids everything, dearer than its cost by so many EUR/MWh",
    "withholding": "bids at cost and keeps a share of what it could offer",
    "baseline-inflation": "bids at cost and declares more consumption than it expects",
    "roth-erev": "learns a mark-up by propensities (Roth and Erev, 1995)",
    "q-learning": "learns a mark-up by day-ahead price (tabular Q-learning)",
    "exp3": "learns a mark-up and which market to serve (Auer et al., 2002)",
    "best-response": "asks what would have earned most against the last published bids",
    "inc-dec": "causes congestion day-ahead to be paid for its relief (Hirth and Schlecht, 2018)",
}
"""What a seller may be told to play; a class of one's own is named ``module:Class``."""
