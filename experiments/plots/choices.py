"""Names of the kinds of figures of ``tandem plot``, for help, completion and messages."""

from __future__ import annotations

KINDS = {
    "system": "system imbalance and activated flexibility",
    "prices": "imbalance price and day-ahead price",
    "merit-order": "bids of an ISP by price: sold, not sold, held back by DSOs",
    "limits": "worst branch, broken limits and range of voltages of each area",
    "grid": "loading of every branch and voltage of every bus of each grid",
    "interface": "flow from transmission into every area",
    "households": "power of households by class of device",
    "state": "state of charge, EV charging, indoor temperature, curtailed PV",
    "cost": "procurement cost and net receipts over time",
    "money": "payments from each group of parties to each other",
    "conflicts": "purchases of DSOs that the TSO undoes",
    "bidding": "mark-up, offers, share sold and profit of sellers over time",
    "learning": "mark-up, share sold and profit of sellers with a strategy, mean and interval over seeds",
    "low-voltage": "low-voltage feeders and their contracts",
}
"""Kinds and what each shows."""
FORMATS = ("png", "pdf", "svg")
