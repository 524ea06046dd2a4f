"""The table of coordination schemes: one line each."""

from __future__ import annotations

from markets.aggregation import DEFAULT_STEP_MW, Kind, aggregate_bids, rsf_market, translate_bids
from markets.auctions import dso_market, forward_bids, tso_market
from markets.blocks import Block, Scheme
from markets.prequalification import Method, prequalify

SCHEDULE = frozenset({"area.exchange"})
OFFERS = SCHEDULE | {"area.bids", "area.offers"}
GRID = OFFERS | {"area.grid", "area.sold"}
RSF = SCHEDULE | {"area.rsf"}

ABOUT: dict[str, tuple[str, str]] = {
    "central-01": ("one TSO market, blind to distribution grids", "ALEXANDER D3.3 cluster 1; SmartNet CS_A"),
    "central-02": (
        "one TSO market on bids that each DSO has limited to what its grid can carry",
        "ALEXANDER D3.3; Belgian NFS (static), iCAROS (day-ahead, dynamic)",
    ),
    "central-03": ("one TSO market that holds the distribution rows itself", "ALEXANDER D3.3"),
    "multilevel-01": (
        "local markets first, the remainder goes to a blind TSO market",
        "ALEXANDER D3.3 cluster 2; SmartNet CS_B; CoordiNet multi-level",
    ),
    "multilevel-02": (
        "as multilevel-01, each DSO mends its grid afterwards with what is left",
        "ALEXANDER D3.3",
    ),
    "multilevel-03": (
        "as multilevel-01, each DSO limits what it forwards to what its grid can carry",
        "ALEXANDER D3.3; Fluvius LFM",
    ),
    "multilevel-04": (
        "as multilevel-01, the TSO market holds the distribution rows itself",
        "ALEXANDER D3.3",
    ),
    "multilevel-05": (
        "TSO first and blind, local markets with the remainder",
        "ALEXANDER D3.3; ATTEST (TSO first)",
    ),
    "multilevel-06": (
        "TSO first on bids that each DSO has limited, local markets with the remainder",
        "ALEXANDER D3.3",
    ),
    "aggregation": (
        "each DSO offers its area as one supply function of the interface flow",
        "ALEXANDER D3.3 cluster 3; SmartNet CS_D decentralised; OneNet Poland; Redispatch 3.0",
    ),
    "fragmented": (
        "local markets and a TSO market without distributed resources",
        "CoordiNet; SmartNet CS_C without its fixed boundary",
    ),
    "common": (
        "all needs, bids and grids in one market",
        "ALEXANDER D3.3; SmartNet CS_D centralised; OneNet Northern",
    ),
}
"""What each scheme does, and where it comes from."""


def build_schemes(
    method: Method = "envelope", aggregation: Kind = "discrete", step_mw: float = DEFAULT_STEP_MW
) -> dict[str, Scheme]:
    """Every scheme by name.

    `method` is the prequalification where a scheme has one; `aggregation` and `step_mw` say which points of
    its residual supply function an area sends under the scheme of that name.
    """
    local, forward, mend = dso_market(), forward_bids(), dso_market("correct", "corrective_market")
    late, qualify, tso, tso_full = dso_market("correct"), prequalify(method), tso_market(), tso_market("full")
    aggregate, over_rsf = aggregate_bids(aggregation, step_mw), rsf_market(aggregation)
    table: dict[str, tuple[tuple[Block, ...], frozenset[str]]] = {
        "central-01": ((tso,), OFFERS),
        "central-02": ((qualify, tso), OFFERS),
        "central-03": ((tso_full,), GRID),
        "multilevel-01": ((local, forward, tso), OFFERS),
        "multilevel-02": ((local, forward, tso, mend), OFFERS),
        "multilevel-03": ((local, forward, qualify, tso), OFFERS),
        "multilevel-04": ((local, forward, tso_full), GRID),
        "multilevel-05": ((tso, late), OFFERS),
        "multilevel-06": ((qualify, tso, late), OFFERS),
        "aggregation": ((aggregate, over_rsf, translate_bids()), RSF),
        "fragmented": ((local, tso_market(der=False)), SCHEDULE),
        "common": ((tso_market("full", name="common_market"),), GRID),
    }
    return {
        name: Scheme(name, steps, shared, source=ABOUT[name][1], summary=ABOUT[name][0])
        for name, (steps, shared) in table.items()
    }


SCHEMES = build_schemes()
