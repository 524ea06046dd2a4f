"""The table of coordination schemes: one line each."""

from __future__ import annotations

from dataclasses import dataclass

from tandem_sim.markets.auctions.aggregation import (
    DEFAULT_STEP_MW,
    AggregateBids,
    RsfMarket,
    TranslateBids,
)
from tandem_sim.markets.auctions.integrated import IntegratedMarket
from tandem_sim.markets.auctions.local_and_tso import DsoMarket, ForwardBids, TsoMarket
from tandem_sim.markets.auctions.mitigation import Mitigate
from tandem_sim.markets.auctions.mol_validation import MAX_ROUNDS, negotiate
from tandem_sim.markets.auctions.pooled import PooledMarket
from tandem_sim.markets.auctions.reactive_power import VoltageMarket
from tandem_sim.markets.auctions.shared_balancing import DsoBalancing
from tandem_sim.markets.choices import (
    ABOUT,
    CHOICES,
    EnvelopeCheck,
    Kind,
    LocalPricing,
    Method,
    Perimeter,
    PooledBy,
    Pricing,
)
from tandem_sim.markets.coordination.block import Block, Repeat, Scheme
from tandem_sim.markets.grid_checks.postqualification import PostQualify
from tandem_sim.markets.grid_checks.prequalification import Prequalify

SCHEDULE = frozenset({"area.exchange"})
OFFERS = SCHEDULE | {"area.bids", "area.offers"}
GRID = OFFERS | {"area.grid", "area.sold"}
RSF = SCHEDULE | {"area.rsf"}
BOUNDARY = frozenset({"area.boundary"})
MOL = OFFERS | {"area.accepted"}
EVERYTHING = GRID | {"tso.bids", "tso.grid", "tso.sold"}


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of schemes.

    `grid_prequalification` is the method of grid prequalification of bids, in schemes with one. `aggregation`
    and `aggregation_step_mw` select the points of the residual supply function that a DSO sends. `pricing` is
    the pricing rule of awards, `local_pricing` that of DSOs' markets if it differs. `boundary_tolerance_mw`
    is the band around the scheduled flow in shared balancing. `mol_rounds` bounds the rounds of MOL
    validation. `pool_minimum_mw` is the minimum sum of bids forwarded from a local market, by provider or by
    operator (`pooled_by`). With `local_reactive`, a market for reactive power precedes every local market
    that comes first. With `mitigation`, local markets limit bids of pivotal sellers to the reference prices
    (EUR/MWh). With the perimeter ``pooled`` the DSOs share the local market that comes first.
    `envelope_check` says whether the results of prequalification must also hold in the AC power flow.
    """

    grid_prequalification: Method = "envelope"
    aggregation: Kind = "discrete"
    aggregation_step_mw: float = DEFAULT_STEP_MW
    pricing: Pricing = "pay-as-bid"
    boundary_tolerance_mw: float = 0.0
    mol_rounds: int = MAX_ROUNDS
    pool_minimum_mw: float = 0.0
    pooled_by: PooledBy = "provider"
    local_reactive: bool = False
    perimeter: Perimeter = "own"
    mitigation: bool = False
    reference_up_eur_per_mwh: float = 100.0
    reference_down_eur_per_mwh: float = 0.0
    local_pricing: LocalPricing = "same"
    envelope_check: EnvelopeCheck = "none"

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown choice, or for options that exclude each other."""
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} {getattr(self, name)!r} is not known; use one of {', '.join(known)}"
                )
        if self.mitigation and self.perimeter == "pooled":
            raise ValueError(
                "mitigation tests pivotal sellers of one area: it cannot be combined with a pooled perimeter"
            )
        if self.envelope_check != "none" and self.grid_prequalification == "static":
            raise ValueError(
                "envelope_check uses the grid of the day: it cannot be combined with "
                "grid_prequalification static"
            )


DEFAULTS = Options()


def build_schemes(options: Options = DEFAULTS) -> dict[str, Scheme]:
    """Every scheme by name."""
    o, pay = options, options.pricing
    pay_local = o.pricing if o.local_pricing == "same" else o.local_pricing
    first, second = (
        Mitigate(
            gate=gate,
            reference_up_eur_per_mwh=o.reference_up_eur_per_mwh,
            reference_down_eur_per_mwh=o.reference_down_eur_per_mwh,
        )
        for gate in ("dso_clear", "correct")
    )
    pooled = o.perimeter == "pooled"
    local: tuple[Block, ...] = (PooledMarket(pricing=pay_local) if pooled else DsoMarket(pricing=pay_local),)
    late: tuple[Block, ...] = (DsoMarket(gate="correct", pricing=pay_local),)
    corrective: tuple[Block, ...] = (DsoMarket(name="corrective_market", gate="correct", pricing=pay_local),)
    if o.mitigation:
        local, late, corrective = (first, *local), (second, *late), (second, *corrective)
    if o.local_reactive:
        local = (VoltageMarket(check=o.envelope_check), *local)
    refuse = PostQualify()
    forward = ForwardBids(pool_minimum_mw=o.pool_minimum_mw, pooled_by=o.pooled_by)
    qualify = Prequalify(method=o.grid_prequalification, check=o.envelope_check)
    tso, tso_full = TsoMarket(pricing=pay), TsoMarket(distribution_constraints="full", pricing=pay)
    tso_relaxed = TsoMarket(distribution_constraints="relaxed", pricing=pay)
    tso_alone = TsoMarket(der=False, pricing=pay)
    tso_at_schedule = TsoMarket(der=False, pricing=pay, flow="boundary")
    common = TsoMarket(name="common_market", distribution_constraints="full", pricing=pay)
    aggregate = AggregateBids(kind=o.aggregation, step_mw=o.aggregation_step_mw)
    over_rsf, translate = RsfMarket(kind=o.aggregation, pricing=pay), TranslateBids(pricing=pay)
    balanced = DsoBalancing(tolerance_mw=o.boundary_tolerance_mw, pricing=pay_local)
    table: dict[str, tuple[tuple[Block | Repeat, ...], frozenset[str]]] = {
        "central-01": ((tso,), OFFERS),
        "central-02": ((qualify, tso), OFFERS),
        "central-03": ((tso_full,), GRID),
        "central-03-relaxed": ((tso_relaxed,), GRID),
        "multilevel-01": ((*local, forward, tso), OFFERS),
        "multilevel-02": ((*local, forward, tso, *corrective), OFFERS),
        "multilevel-02-post": ((*local, forward, tso, refuse), OFFERS),
        "multilevel-03": ((*local, forward, qualify, tso), OFFERS),
        "multilevel-04": ((*local, forward, tso_full), GRID),
        "multilevel-05": ((tso, *late), OFFERS),
        "multilevel-06": ((qualify, tso, *late), OFFERS),
        "aggregation": ((aggregate, over_rsf, translate), RSF),
        "fragmented": ((*local, tso_alone), SCHEDULE),
        "shared-balancing": ((balanced, tso_at_schedule), BOUNDARY),
        "hybrid": ((negotiate(o.mol_rounds), TsoMarket(pricing=pay, validated=True)), MOL),
        "integrated": ((IntegratedMarket(pricing=pay),), EVERYTHING),
        "common": ((common,), GRID),
    }
    with_pool = GRID if pooled else frozenset()  # information for a market of several DSOs
    return {
        name: Scheme(
            name=name,
            steps=steps,
            shared=shared | (with_pool if local[-1] in steps else frozenset()),
            source=ABOUT[name][1],
            summary=ABOUT[name][0],
        )
        for name, (steps, shared) in table.items()
    }


SCHEMES = build_schemes()
