"""Which schemes are the same, and where: statements with their proofs, checks and counterexamples.

Page (`page`) and tests run from `STATEMENTS`. "Keeps" and "breaks" refer to limits of distribution grids in
the linear model. Measures by which two schemes are compared are in `trials`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tandem_sim.experiments.studies.equal_schemes import examples
from tandem_sim.experiments.studies.equal_schemes.examples import Example
from tandem_sim.experiments.studies.equal_schemes.trials import (
    EXACT,
    MEASURES,
    NARROWED,
    CaseTrial,
    after,
    base_keeps,
    bought,
    keeps,
    market_keeps,
    no_trade_pays,
    of_areas,
    same_awards,
    same_bits,
    serves,
    voltages_cannot_bind,
)
from tandem_sim.grids.power_flow.constraints import Violations
from tandem_sim.grids.tolerances import MOL_FLOW_MARGIN_SHARE, MOL_VOLTAGE_MARGIN_PU2
from tandem_sim.markets.choices import PRICINGS, Pricing
from tandem_sim.markets.orders.bids import DOWN, UP

ANY = PRICINGS
UNIFORM: tuple[Pricing, ...] = ("pay-as-bid", "pay-as-cleared")
AS_BID: tuple[Pricing, ...] = ("pay-as-bid",)


@dataclass(frozen=True)
class Telling:
    """When a case that meets a condition could have made the schemes differ, in words and as a function."""

    words: str
    of: Callable[[CaseTrial], bool]


@dataclass(frozen=True, kw_only=True)
class EqualityStatement:
    """Schemes of a group have the same cost, need unserved and awards where the condition is met.

    `payments` are the pricing rules under which operators pay the same, too. With `exact` awards are the same
    to the last bit. `beside` names two schemes that are nearly the same there.
    """

    name: str
    title: str
    groups: tuple[tuple[str, ...], ...]
    condition: str
    meets: Callable[[CaseTrial], bool]
    payments: tuple[Pricing, ...]
    proof: str
    telling: Telling
    parts: str  # where the schemes differ
    examples: tuple[Callable[[], Example], ...] = ()
    exact: bool = False
    beside: tuple[str, str] | None = None

    def agrees(self, trial: CaseTrial) -> bool:
        """Whether the schemes of every group do the same in a case."""
        measures = [
            same for name, same in MEASURES.items() if name != "payments" or trial.pricing in self.payments
        ]
        measures += [same_bits] if self.exact else []
        return all(
            same(trial[group[0]], trial[other])
            for group in self.groups
            for other in group[1:]
            for same in measures
        )


def _always(trial: CaseTrial) -> bool:
    return True


def _tso_buys_in_areas(trial: CaseTrial) -> bool:
    return bought(trial["central-01"], of_areas(trial.case))


def _mended_and_branches_only(trial: CaseTrial) -> bool:
    local = market_keeps(trial.case, trial["multilevel-01"], "dso_market")
    return local and voltages_cannot_bind(trial.case)


def _safe_apart(trial: CaseTrial) -> bool:
    """Whether calls of central-01 up alone and down alone keep all limits, with the margin of hybrid free."""
    blind = trial["central-01"]
    return keeps(blind) and all(
        after(area, blind, direction=d).tightened(MOL_FLOW_MARGIN_SHARE, MOL_VOLTAGE_MARGIN_PU2).violations()
        == Violations()
        for area in trial.case.areas.values()
        for d in (UP, DOWN)
    )


LOCAL_FIRST = (
    "fragmented",
    "shared-balancing",
    "multilevel-01",
    "multilevel-02",
    "multilevel-02-post",
    "multilevel-03",
)
LIMITS_MATTER = Telling(
    "limits of areas change the dispatch", lambda trial: not same_awards(trial["central-01"], trial["common"])
)
TSO_BUYS = Telling("the TSO buys in areas", _tso_buys_in_areas)
LOCAL_BUYS = Telling("local markets buy", lambda trial: bought(trial["fragmented"], of_areas(trial.case)))


STATEMENTS: tuple[EqualityStatement, ...] = (
    EqualityStatement(
        name="exact-aggregation",
        title="Exact aggregation is the common market",
        groups=(("common", EXACT),),
        condition="the common market keeps all limits of the areas",
        meets=lambda trial: keeps(trial["common"]),
        payments=AS_BID,
        proof="""The common market chooses all bids at once. The same can be done in two steps: first choose
        how much each area injects, then the cheapest bids of the area that bring it. The least cost over both
        steps is the same, because the system balance and the lines of transmission depend on an area only
        through what it injects. The second step is the supply function, and exact aggregation sends all of
        it. Aggregation keeps the limits of the area as hard constraints; the common market has a penalty on
        them. If the cheapest dispatch with a penalty keeps the limits, it is also the cheapest with hard
        limits.""",
        telling=LIMITS_MATTER,
        parts="""Where the common market leaves a limit of an area broken, for instance because nothing else
        serves the need. They differ in payments under uniform prices. They also differ with the points that
        `aggregation` sends by default in `tandem clear` (scenarios: `exact`).""",
        examples=(examples.full_branch, examples.price_of_an_area, examples.points_of_a_curve),
    ),
    EqualityStatement(
        name="central-03",
        title="central-03 is the common market",
        groups=(("central-03", "common"),),
        condition="always",
        meets=_always,
        payments=ANY,
        proof="""Both are the same block: the TSO's market with the linear constraints of all areas, including
        limits that are already broken. It buys whatever relieves them, so it covers the needs of DSOs
        although no DSO buys. The block has another name (`common_market`), and only for the common market is
        it computed how operators share the cost. The central models of ALEXANDER D3.3 can also be read so
        that the TSO must break no limit and need relieve none: that is `central-03-relaxed`.""",
        telling=LIMITS_MATTER,
        parts="Nowhere. In a simulation the tables are the same too, except for that name.",
        exact=True,
    ),
    EqualityStatement(
        name="integrated",
        title="integrated is the common market without buyers",
        groups=(("common", "integrated"),),
        condition="no company bids to buy",
        meets=_always,
        payments=ANY,
        proof="""The integrated market adds what companies want to buy as further variables of the same
        optimisation problem. Without them it is the optimisation problem of the common market, variable by
        variable.""",
        telling=LIMITS_MATTER,
        exact=True,
        parts="""If there is a buyer whose price is met. In simulations BRPs are such buyers, so they differ
        there.""",
        examples=(examples.a_buyer,),
    ),
    EqualityStatement(
        name="base-flow",
        title="shared-balancing is fragmented at the base flow",
        groups=(("fragmented", "shared-balancing"),),
        condition="""the schedule of every area is its flow in the base state, as the TSO expects it, and
        the band around it is zero""",
        meets=_always,
        payments=ANY,
        proof="""Under either scheme a DSO buys at least cost what keeps its limits, with a net purchase of
        zero: in the local market because it holds the present flow, in shared balancing because the schedule
        is that flow. The two variables for the band can only be zero. The TSO then has the same flow at the
        boundary, and no access to the areas.""",
        telling=LOCAL_BUYS,
        parts="""With another schedule, or with a band. In simulations the schedule is that of the day before
        and the present flow is a forecast, so they differ there.""",
        examples=(examples.another_schedule,),
    ),
    EqualityStatement(
        name="relaxed",
        title="central-03-relaxed is central-03 where no limit is broken",
        groups=(("central-03", "central-03-relaxed"),),
        condition="the base state keeps all limits, and central-03 keeps them too and serves the whole need",
        meets=lambda trial: (
            base_keeps(trial.case) and keeps(trial["central-03"]) and serves(trial["central-03"])
        ),
        payments=ANY,
        proof="""Where the base state keeps all limits, relaxing changes none of them. One difference remains:
        the limits of the relaxed market are hard, and those of central-03 have a penalty. As in the first
        statement, if the cheapest dispatch with a penalty pays no penalty, it is the cheapest with hard
        limits.""",
        telling=LIMITS_MATTER,
        parts="""Where the base state breaks a limit, which central-03 relieves, and where only a broken limit
        would serve the need.""",
        examples=(examples.to_mend_or_not, examples.full_branch),
    ),
    EqualityStatement(
        name="no-limit-in-the-way",
        title="Limits that central-01 keeps change nothing",
        groups=(("central-01", "common", "central-03-relaxed"),),
        condition="the outcome of central-01 keeps all limits of the areas",
        meets=lambda trial: keeps(trial["central-01"]),
        payments=ANY,
        proof="""Without limits a market can only be cheaper. So if the cheapest dispatch without limits keeps
        them, it is the cheapest with them. By the earlier statements `central-03`, `integrated` and exact
        aggregation are the same too.""",
        telling=TSO_BUYS,
        parts="Where central-01 breaks a limit, or leaves one broken.",
        examples=(examples.too_much_behind_a_branch,),
    ),
    EqualityStatement(
        name="nothing-to-correct",
        title="multilevel-01, -02, -02-post and -04 without congestion",
        groups=(("multilevel-01", "multilevel-02", "multilevel-02-post", "multilevel-04"),),
        condition="the outcome of multilevel-01 keeps all limits of the areas",
        meets=lambda trial: keeps(trial["multilevel-01"]),
        payments=ANY,
        proof="""For multilevel-04 as in the statement before. Post-qualification refuses nothing where all
        awards are safe. A corrective market has no limit to relieve, and no trade to make: of the bids of an
        area that the TSO has left, no up bid asks less, and no down bid pays more, than the TSO's price at
        that area's bus.""",
        telling=TSO_BUYS,
        parts="Where multilevel-01 breaks a limit, all four may differ.",
        examples=(examples.too_much_behind_a_branch,),
    ),
    EqualityStatement(
        name="branches-only",
        title="multilevel-03 is multilevel-04 where branches bind, not voltages",
        groups=(("multilevel-03", "multilevel-04"),),
        condition="""no voltage can leave its band whatever is called, the local markets leave no branch
        overloaded, and envelopes are price-based (the default)""",
        meets=_mended_and_branches_only,
        payments=UNIFORM,
        proof="""(1) With the constraints of the areas in it, the TSO's market calls bids of one direction
        only in each area. Suppose it called an up bid and a down bid. Take the smallest part of the feeder
        behind one branch (or the whole feeder) that holds two such bids. Inside it, up and down calls are
        behind different branches. So a little less of both keeps all limits, does not change the flow out of
        that part, and saves the price of the up bid less that of the down bid. If that saves nothing, the
        local market would have called both before. (2) Calls in one direction add up along nested branches.
        For nested limits the best choice takes bids in order of price, each as far as the limits around it
        allow. At any price of the TSO's market this gives the same MW of the bids that pay. So one list
        serves every price, and that list is the envelope. (3) So the dispatch of multilevel-04 is within the
        envelopes, and multilevel-04 may choose everything within them.""",
        telling=Telling(
            "limits of branches change what the TSO calls",
            lambda trial: not same_awards(trial["multilevel-01"], trial["multilevel-04"]),
        ),
        parts="""**They are not the same in general.** With voltages that bind, no single list serves every
        price: how much of the voltage margin a bid uses depends on its node. They also differ where the local
        markets leave an overload, which the TSO relieves in multilevel-04 alone, and in payments by
        locational prices.""",
        examples=(examples.near_or_far, examples.to_mend_or_not, examples.price_behind_a_branch),
    ),
    EqualityStatement(
        name="envelopes",
        title="central-02 is central-03-relaxed where branches bind, not voltages",
        groups=(("central-02", "central-03-relaxed"),),
        condition="""no voltage can leave its band whatever is called, and in no area the cheapest bid up
        asks less than the best bid down pays""",
        meets=lambda trial: voltages_cannot_bind(trial.case) and no_trade_pays(trial.case),
        payments=UNIFORM,
        proof="""As in the statement before, without a local market. That something is saved if an up bid and
        a down bid are both called less is now the condition itself. Envelopes relax the limits that the base
        state breaks in the same way as the relaxed market, so the base state may break limits.""",
        telling=Telling(
            "limits of branches change what the TSO calls",
            lambda trial: not same_awards(trial["central-01"], trial["central-02"]),
        ),
        parts="""**They are not the same in general.** They differ with voltages that bind. They differ with
        trades within an area: in an envelope the two calls compete for the same margin, in a market one call
        makes room for the other. Locational prices pay as in the statement before.""",
        examples=(examples.near_or_far, examples.a_trade_within),
    ),
    EqualityStatement(
        name="hybrid",
        title="hybrid is central-02 with limits narrowed by 0.1 %",
        groups=(("hybrid", NARROWED),),
        condition="no voltage can leave its band whatever is called, and every DSO accepts within the rounds",
        meets=lambda trial: voltages_cannot_bind(trial.case) and not trial["hybrid"].left_out,
        payments=ANY,
        proof="""The merit order list calls, in each area and direction, the bids up to some price. Of these
        the DSO keeps what nested limits allow, in order of price. Of all other bids it then keeps what still
        fits, in order of price. Both steps together are one list in order of price, and an envelope fills
        nested limits in the same way. The limits are 0.1 % narrower. Later lists do not change it.""",
        telling=Telling(
            "limits of branches change what the TSO calls",
            lambda trial: not same_awards(trial["central-01"], trial["hybrid"]),
        ),
        parts="""**hybrid and central-02 itself are not the same in general.** The margin costs 0.1 % of a
        full branch times the difference of two prices. With voltages that bind, the hybrid scheme checks what
        is called first; central-02 checks all offers. With AC offsets the hybrid scheme uses the power flow,
        central-02 the linear model.""",
        examples=(examples.the_margin, examples.called_first),
        beside=("hybrid", "central-02"),
    ),
    EqualityStatement(
        name="accepted-at-once",
        title="hybrid is central-01 where the first list is safe",
        groups=(("central-01", "hybrid"),),
        condition="""what central-01 calls up alone, and what it calls down alone, keeps all limits with 0.1
        % of each flow limit and 0.0002 p.u.^2 to spare, and both together keep them""",
        meets=_safe_apart,
        payments=ANY,
        proof="""The first list is what central-01 calls. The DSO accepts all of it and lowers only bounds
        beyond it. So the last market may call the same again, and nothing it may call is cheaper.""",
        telling=TSO_BUYS,
        parts="""Where up and down calls are safe only together, and where the calls of central-01 are not
        safe.""",
        examples=(examples.two_that_cancel,),
    ),
    EqualityStatement(
        name="tso-first",
        title="multilevel-05 is central-01 without congestion",
        groups=(("central-01", "multilevel-05"),),
        condition="the outcome of central-01 keeps all limits of the areas",
        meets=lambda trial: keeps(trial["central-01"]),
        payments=ANY,
        proof="""The local markets after the TSO's have no limit to relieve, and no trade to make (as for the
        corrective markets above).""",
        telling=TSO_BUYS,
        parts="Where central-01 breaks a limit, or leaves one broken.",
        examples=(examples.too_much_behind_a_branch,),
    ),
    EqualityStatement(
        name="idle-local-markets",
        title="A local market that buys nothing changes nothing",
        groups=(
            ("central-01", "multilevel-01"),
            ("central-02", "multilevel-03"),
            ("central-03", "multilevel-04"),
        ),
        condition="""the base state keeps all limits, and in no area the cheapest bid up asks less than the
        best bid down pays""",
        meets=lambda trial: base_keeps(trial.case) and no_trade_pays(trial.case),
        payments=ANY,
        proof="""A local market buys nothing where there is no limit to relieve and no trade that pays. All
        that follows is the same, block by block.""",
        telling=LIMITS_MATTER,
        parts="Where a local market has a limit to relieve or a trade to make.",
        examples=(examples.something_to_mend_first, examples.a_trade_first),
    ),
    EqualityStatement(
        name="tso-stays-out",
        title="Order of the markets, where the TSO buys nothing in the areas",
        groups=((*LOCAL_FIRST, "multilevel-05", "multilevel-06"),),
        condition="central-01 calls no bid of an area; schedules are the flows of the base state",
        meets=lambda trial: not _tso_buys_in_areas(trial),
        payments=ANY,
        proof="""What the TSO calls is then the cheapest without the areas, and stays so when the areas offer
        fewer bids. Local markets hold the flow at the boundary, so the TSO's need is the same before and
        after them, and all their bids are available in either order. A second local market after the first
        has nothing left to gain.""",
        telling=LOCAL_BUYS,
        parts="Where a bid of an area is among the cheapest for the TSO.",
        examples=(examples.who_goes_first,),
    ),
)
"""In the order of the page."""
