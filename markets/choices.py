"""What may be chosen in a market, by name: schemes, methods, prices, solvers.

Names only, so that help, completion and checks of what a person typed need no library.
"""

from __future__ import annotations

from typing import Literal

Method = Literal["envelope", "uniform", "disqualify", "static"]
METHODS: tuple[Method, ...] = ("envelope", "uniform", "disqualify", "static")
"""How a DSO limits bids to what its grid can carry: by price, by the same share, whole bids, or red zones."""

Region = Literal["flanders", "wallonia", "brussels"]
"""Whose rules a network flexibility study follows."""

EnvelopeCheck = Literal["none", "ac"]
ENVELOPE_CHECKS: tuple[EnvelopeCheck, ...] = ("none", "ac")
"""Whether limits on bids that hold in the linear model are cut until they hold in the AC power flow too."""

Kind = Literal["discrete", "exact"]
KINDS: tuple[Kind, ...] = ("discrete", "exact")
"""Which points of its residual supply function an area sends."""

Pricing = Literal["pay-as-bid", "pay-as-cleared", "locational"]
PRICINGS: tuple[Pricing, ...] = ("pay-as-bid", "pay-as-cleared", "locational")
"""What awards are paid."""

LocalPricing = Literal["same", "pay-as-bid", "pay-as-cleared", "locational"]
LOCAL_PRICINGS: tuple[LocalPricing, ...] = ("same", *PRICINGS)
"""What awards of DSOs' own markets are paid; `same` as those of the TSO's."""

ReservePricing = Literal["pay-as-bid", "pay-as-cleared"]
"""What automatic reserve (aFRR) is paid; as cleared is by ISP: the dearest bid that delivered upwards in it
sets the price of all, downwards the cheapest."""

PooledBy = Literal["provider", "operator"]
POOLED_BY: tuple[PooledBy, ...] = ("provider", "operator")
"""Whose small bids are added up to the smallest one that the TSO takes."""

Perimeter = Literal["own", "pooled"]
PERIMETERS: tuple[Perimeter, ...] = ("own", "pooled")
"""Whether each DSO has a local market of its own, or all of them one."""

Solver = Literal["linprog", "highspy"]
SOLVERS: tuple[Solver, ...] = ("linprog", "highspy")
"""Who solves linear programmes: both are HiGHS and give the same answers."""

CHOICES: dict[str, tuple[str, ...]] = {
    "grid_prequalification": METHODS,
    "envelope_check": ENVELOPE_CHECKS,
    "aggregation": KINDS,
    "pricing": PRICINGS,
    "local_pricing": LOCAL_PRICINGS,
    "pooled_by": POOLED_BY,
    "perimeter": PERIMETERS,
}
"""What the options with names may be."""

ABOUT: dict[str, tuple[str, str]] = {
    "central-01": ("one TSO market, blind to distribution grids", "ALEXANDER D3.3 cluster 1; SmartNet CS_A"),
    "central-02": (
        "one TSO market on bids that each DSO has limited to what its grid can carry",
        "ALEXANDER D3.3; Belgian NFS (method static)",
    ),
    "central-03": (
        "one TSO market that holds the distribution rows itself, and mends what is broken",
        "ALEXANDER D3.3",
    ),
    "central-03-relaxed": (
        "as central-03, but limits broken already need not be mended: the TSO must not aggravate",
        "ALEXANDER D3.3 cluster 1, read as: the TSO's purchases may cause no violation",
    ),
    "multilevel-01": (
        "local markets first, the remainder goes to a blind TSO market",
        "ALEXANDER D3.3 cluster 2; SmartNet CS_B; CoordiNet multi-level",
    ),
    "multilevel-02": (
        "as multilevel-01, each DSO mends its grid afterwards with what is left",
        "ALEXANDER D3.3",
    ),
    "multilevel-02-post": (
        "as multilevel-01, each DSO refuses afterwards what its grid cannot carry",
        "ALEXANDER D3.3 (multilevel-02 with post-qualification)",
    ),
    "multilevel-03": (
        "as multilevel-01, each DSO limits what it forwards to what its grid can carry",
        "ALEXANDER D3.3; Fluvius LFM (method static)",
    ),
    "multilevel-04": (
        "as multilevel-01, the TSO market holds the distribution rows itself",
        "ALEXANDER D3.3",
    ),
    "multilevel-05": (
        "TSO first and blind, local markets with the remainder",
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
        "each DSO holds a scheduled flow at its boundary and decongests its area; TSO without access to it",
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
"""What each scheme does, and where it comes from: what is taken of each source stands in docs/model.md."""
