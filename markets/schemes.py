"""The table of coordination schemes: one line each."""

from __future__ import annotations

from dataclasses import dataclass

from tandem_sim.markets.aggregation import (
    DEFAULT_STEP_MW,
    KINDS,
    Kind,
    aggregate_bids,
    rsf_market,
    translate_bids,
)
from tandem_sim.markets.auctions import dso_market, forward_bids, tso_market
from tandem_sim.markets.blocks import Block, Repeat, Scheme
from tandem_sim.markets.integrated import integrated_market
from tandem_sim.markets.merit_order import MAX_ROUNDS, negotiate
from tandem_sim.markets.mitigation import mitigate
from tandem_sim.markets.pooled import PERIMETERS, Perimeter, pooled_market
from tandem_sim.markets.pooling import POOLED_BY, PooledBy
from tandem_sim.markets.postqualification import post_qualify
from tandem_sim.markets.prequalification import METHODS, Method, prequalify
from tandem_sim.markets.pricing import PRICINGS, Pricing
from tandem_sim.markets.reactive import voltage_market
from tandem_sim.markets.shared_balancing import dso_balancing

SCHEDULE = frozenset({"area.exchange"})
OFFERS = SCHEDULE | {"area.bids", "area.offers"}
GRID = OFFERS | {"area.grid", "area.sold"}
RSF = SCHEDULE | {"area.rsf"}
BOUNDARY = frozenset({"area.boundary"})
MOL = OFFERS | {"area.accepted"}
EVERYTHING = GRID | {"tso.bids", "tso.grid", "tso.sold"}

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
    "multilevel-02-post": (
        "as multilevel-01, each DSO refuses afterwards what its grid cannot carry",
        "ALEXANDER D3.3 (multilevel-02 with post-qualification)",
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
    "shared-balancing": (
        "each DSO holds a scheduled flow at its boundary and decongests its area; TSO without access to it",
        "SmartNet CS_C",
    ),
    "hybrid": (
        "one TSO market on a merit order list that each DSO has validated by power flow",
        "Dutch hybrid scheme",
    ),
    "integrated": (
        "an independent operator clears operators and companies together by willingness to pay",
        "SmartNet CS_E",
    ),
    "common": (
        "all needs, bids and grids in one market",
        "ALEXANDER D3.3; SmartNet CS_D centralised; OneNet Northern",
    ),
}
"""What each scheme does, and where it comes from."""


CHOICES: dict[str, tuple[str, ...]] = {
    "method": METHODS,
    "aggregation": KINDS,
    "pricing": PRICINGS,
    "pooled_by": POOLED_BY,
    "perimeter": PERIMETERS,
}
"""What the options with names may be."""


@dataclass(frozen=True)
class Options:
    """What a scheme leaves open.

    `method` is the prequalification where a scheme has one; `aggregation` and `step_mw` say which points of
    its residual supply function an area sends; `pricing` is what awards are paid; `tolerance_mw` the band
    around the scheduled flow of shared balancing; `max_rounds` bounds the validation of a merit order list;
    `pool_minimum_mw` is what bids forwarded from a local market must add up to, by provider or by operator.
    With `reactive`, a market of reactive power stands ahead of every local market that comes first. With
    `mitigate`, local markets hold pivotal sellers to the reference prices (EUR/MWh); with the perimeter
    ``pooled`` the DSOs share the local market that comes first.
    """

    method: Method = "envelope"
    aggregation: Kind = "discrete"
    step_mw: float = DEFAULT_STEP_MW
    pricing: Pricing = "pay-as-bid"
    tolerance_mw: float = 0.0
    max_rounds: int = MAX_ROUNDS
    pool_minimum_mw: float = 0.0
    pooled_by: PooledBy = "provider"
    reactive: bool = False
    perimeter: Perimeter = "own"
    mitigate: bool = False
    reference_up: float = 100.0
    reference_down: float = 0.0

    def __post_init__(self) -> None:
        """Raise ValueError for a choice nobody knows."""
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} {getattr(self, name)!r} is not known; use one of {', '.join(known)}"
                )
        if self.mitigate and self.perimeter == "pooled":
            raise ValueError(
                "mitigate asks who is pivotal in one area: it does not go with a pooled perimeter"
            )


DEFAULTS = Options()


def build_schemes(options: Options = DEFAULTS) -> dict[str, Scheme]:
    """Every scheme by name."""
    o, pay = options, options.pricing
    held = (
        mitigate("dso_clear", o.reference_up, o.reference_down),
        mitigate("correct", o.reference_up, o.reference_down),
    )
    pooled = o.perimeter == "pooled"
    local: tuple[Block, ...] = (pooled_market(pricing=pay) if pooled else dso_market(pricing=pay),)
    late: tuple[Block, ...] = (dso_market("correct", pricing=pay),)
    mend: tuple[Block, ...] = (dso_market("correct", "corrective_market", pricing=pay),)
    if o.mitigate:
        local, late, mend = (held[0], *local), (held[1], *late), (held[1], *mend)
    if o.reactive:
        local = (voltage_market(), *local)
    refuse = post_qualify()
    forward, qualify = forward_bids(o.pool_minimum_mw, o.pooled_by), prequalify(o.method)
    tso, tso_full = tso_market(pricing=pay), tso_market("full", pricing=pay)
    tso_alone = tso_market(der=False, pricing=pay)
    tso_at_schedule = tso_market(der=False, pricing=pay, flow="boundary")
    over_rsf, translate = rsf_market(o.aggregation, pay), translate_bids(pay)
    table: dict[str, tuple[tuple[Block | Repeat, ...], frozenset[str]]] = {
        "central-01": ((tso,), OFFERS),
        "central-02": ((qualify, tso), OFFERS),
        "central-03": ((tso_full,), GRID),
        "multilevel-01": ((*local, forward, tso), OFFERS),
        "multilevel-02": ((*local, forward, tso, *mend), OFFERS),
        "multilevel-02-post": ((*local, forward, tso, refuse), OFFERS),
        "multilevel-03": ((*local, forward, qualify, tso), OFFERS),
        "multilevel-04": ((*local, forward, tso_full), GRID),
        "multilevel-05": ((tso, *late), OFFERS),
        "multilevel-06": ((qualify, tso, *late), OFFERS),
        "aggregation": ((aggregate_bids(o.aggregation, o.step_mw), over_rsf, translate), RSF),
        "fragmented": ((*local, tso_alone), SCHEDULE),
        "shared-balancing": ((dso_balancing(o.tolerance_mw, pay), tso_at_schedule), BOUNDARY),
        "hybrid": ((negotiate(o.max_rounds), tso_market(pricing=pay, validated=True)), MOL),
        "integrated": ((integrated_market(pay),), EVERYTHING),
        "common": ((tso_market("full", name="common_market", pricing=pay),), GRID),
    }
    with_pool = GRID if pooled else frozenset()  # what a market of several DSOs has to be told
    return {
        name: Scheme(
            name,
            steps,
            shared | (with_pool if local[-1] in steps else frozenset()),
            source=ABOUT[name][1],
            summary=ABOUT[name][0],
        )
        for name, (steps, shared) in table.items()
    }


SCHEMES = build_schemes()
