"""Options of markets, by name: schemes, methods, prices, solvers.

Names only, so that help, completion and checks of typed input need no numerical library.
"""

from __future__ import annotations

from typing import Literal

Method = Literal["envelope", "uniform", "disqualify", "static"]
METHODS: tuple[Method, ...] = ("envelope", "uniform", "disqualify", "static")
"""How a DSO limits bids to the capacity of its grid: by price, by equal shares, whole bids, or red zones."""

Region = Literal["flanders", "wallonia", "brussels"]
"""Region whose rules a network flexibility study follows."""

EnvelopeCheck = Literal["none", "ac"]
ENVELOPE_CHECKS: tuple[EnvelopeCheck, ...] = ("none", "ac")
"""Whether limits of bids from the linear model are cut until they also hold in the AC power flow."""

Kind = Literal["discrete", "exact"]
KINDS: tuple[Kind, ...] = ("discrete", "exact")
"""Which points of its residual supply function a DSO sends."""

Pricing = Literal["pay-as-bid", "pay-as-cleared", "locational"]
PRICINGS: tuple[Pricing, ...] = ("pay-as-bid", "pay-as-cleared", "locational")
"""Pricing rule of awards."""

LocalPricing = Literal["same", "pay-as-bid", "pay-as-cleared", "locational"]
LOCAL_PRICINGS: tuple[LocalPricing, ...] = ("same", *PRICINGS)
"""Pricing rule of awards in DSOs' markets; `same` is that of the TSO's market."""

ReservePricing = Literal["pay-as-bid", "pay-as-cleared"]
"""Pricing rule of automatic reserve (aFRR). ``pay-as-cleared`` is by ISP: the most expensive bid that
delivered upwards in it sets the price of all, downwards the cheapest."""

PooledBy = Literal["provider", "operator"]
POOLED_BY: tuple[PooledBy, ...] = ("provider", "operator")
"""Whose small bids are added up to the minimum bid size of the TSO."""

Perimeter = Literal["own", "pooled"]
PERIMETERS: tuple[Perimeter, ...] = ("own", "pooled")
"""Whether each DSO has its own local market, or all DSOs have one together."""

Solver = Literal["linprog", "highspy"]
SOLVERS: tuple[Solver, ...] = ("linprog", "highspy")
"""Solver of linear optimisation problems: both are HiGHS and give the same results."""

CHOICES: dict[str, tuple[str, ...]] = {
    "grid_prequalification": METHODS,
    "envelope_check": ENVELOPE_CHECKS,
    "aggregation": KINDS,
    "pricing": PRICINGS,
    "local_pricing": LOCAL_PRICINGS,
    "pooled_by": POOLED_BY,
    "perimeter": PERIMETERS,
}
"""Permitted values of options that are names."""

ABOUT: dict[str, tuple[str, str]] = {
    "central-01": ("one TSO market without distribution limits", "ALEXANDER D3.3 cluster 1; SmartNet CS_A"),
    "central-02": (
        "one TSO market on bids that each DSO has limited to what its grid can carry",
        "ALEXANDER D3.3; Belgian NFS (static)",
    ),
    "central-03": (
        "one TSO market with the distribution limits, which also relieves existing violations",
        "ALEXANDER D3.3",
    ),
    "central-03-relaxed": (
        "one TSO market with the distribution limits; existing violations may stay but not become worse",
        "ALEXANDER D3.3 cluster 1, read as: the TSO's purchases may cause no violation",
    ),
    "multilevel-01": (
        "local markets first, the remainder goes to a TSO market without distribution limits",
        "ALEXANDER D3.3 cluster 2; SmartNet CS_B; CoordiNet multi-level",
    ),
    "multilevel-02": (
        "local markets, then a TSO market without distribution limits; DSOs relieve their grids afterwards",
        "ALEXANDER D3.3",
    ),
    "multilevel-02-post": (
        "local markets, then a TSO market without distribution limits; DSOs refuse what grids cannot carry",
        "ALEXANDER D3.3 (multilevel-02 with post-qualification)",
    ),
    "multilevel-03": (
        "local markets first; each DSO limits what it forwards to the TSO market to what its grid can carry",
        "ALEXANDER D3.3; Fluvius LFM (static)",
    ),
    "multilevel-04": (
        "local markets first, the remainder goes to a TSO market with the distribution limits",
        "ALEXANDER D3.3",
    ),
    "multilevel-05": (
        "TSO market without distribution limits first, local markets with the remainder",
        "ALEXANDER D3.3",
    ),
    "multilevel-06": (
        "TSO first on bids that each DSO has limited, local markets with the remainder",
        "ALEXANDER D3.3",
    ),
    "aggregation": (
        "each DSO offers its area as one supply function of the interface flow",
        "ALEXANDER D3.3 cluster 3; SmartNet CS_D decentralised",
    ),
    "fragmented": (
        "local markets and a TSO market without distributed resources",
        "CoordiNet fragmented",
    ),
    "shared-balancing": (
        "each DSO keeps its scheduled boundary flow and its limits; the TSO uses no bids of areas",
        "SmartNet CS_C",
    ),
    "hybrid": (
        "one TSO market on a merit order list that each DSO has validated by power flow",
        "hybrid scheme proposed for the Netherlands",
    ),
    "integrated": (
        "an independent operator clears operators and companies together by willingness to pay",
        "SmartNet CS_E",
    ),
    "common": (
        "all needs, bids and grids in one market",
        "ALEXANDER D3.3 cluster 3; SmartNet CS_D centralised",
    ),
}
"""Summary and source of each scheme: docs/model.md says what is taken from each source."""
