"""The table of coordination schemes: one line each."""

from __future__ import annotations

from markets.auctions import dso_market, forward_bids, tso_market
from markets.blocks import Scheme
from markets.prequalification import Method, prequalify

OFFERS = frozenset({"area.bids", "area.offers", "area.exchange"})
GRID = frozenset({"area.grid", "area.sold"})
SCHEDULE = frozenset({"area.exchange"})


def build_schemes(method: Method = "envelope") -> dict[str, Scheme]:
    """Every scheme by name; `method` is the prequalification where a scheme has one."""
    table = (
        (
            "central-01",
            (tso_market(),),
            OFFERS,
            "ALEXANDER D3.3 cluster 1; SmartNet CS_A",
            "one TSO market, blind to distribution grids",
        ),
        (
            "multilevel-01",
            (dso_market(), forward_bids(), tso_market()),
            OFFERS,
            "ALEXANDER D3.3 cluster 2; SmartNet CS_B; CoordiNet multi-level",
            "local markets first, the remainder goes to a blind TSO market",
        ),
        (
            "multilevel-03",
            (dso_market(), forward_bids(), prequalify(method), tso_market()),
            OFFERS,
            "ALEXANDER D3.3; Fluvius LFM",
            "as multilevel-01, each DSO limits what it forwards to what its grid can carry",
        ),
        (
            "multilevel-04",
            (dso_market(), forward_bids(), tso_market("full")),
            OFFERS | GRID,
            "ALEXANDER D3.3",
            "as multilevel-01, the TSO market holds the distribution rows itself",
        ),
        (
            "fragmented",
            (dso_market(), tso_market(der=False)),
            SCHEDULE,
            "CoordiNet; SmartNet CS_C without its fixed boundary",
            "local markets and a TSO market without distributed resources",
        ),
        (
            "common",
            (tso_market("full", name="common_market"),),
            OFFERS | GRID,
            "ALEXANDER D3.3; SmartNet CS_D centralised; OneNet Northern",
            "all needs, bids and grids in one market",
        ),
    )
    return {
        name: Scheme(name, steps, shared, source, summary) for name, steps, shared, source, summary in table
    }


SCHEMES = build_schemes()
