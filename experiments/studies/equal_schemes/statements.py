"""Which schemes are the same, and where: statements with their proofs, checks and counterexamples.

Page (`equal_schemes`) and tests run from `STATEMENTS`. "Keeps" and "breaks" speak of limits of distribution
grids in the linear model. What two schemes are compared by stands in `equal_trials`.
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
    """When a case that meets a condition shows more than that nothing happens, in words and as a question."""

    words: str
    of: Callable[[CaseTrial], bool]


@dataclass(frozen=True, kw_only=True)
class EqualityStatement:
    """Schemes of a group have the same cost, need unserved and awards where the condition is met.

    `payments` are the pricing rules under which operators pay the same, too. With `exact` awards are the same
    to the last bit. `beside` are two schemes that are nearly the same there.
    """

    name: str
    title: str
    groups: tuple[tuple[str, ...], ...]
    condition: str
    meets: Callable[[CaseTrial], bool]
    payments: tuple[Pricing, ...]
    proof: str
    telling: Telling
    parts: str  # where the schemes part
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
    """Whether blind calls up alone and down alone keep all limits, with the margin of hybrid to spare."""
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
        proof="""The common market chooses all bids at once. Choose first how much each area injects, then
        the cheapest bids of the area that bring it: the least over both steps is the same, for balance and
        lines of transmission know an area only by what it injects. The second step is the supply function,
        and exact aggregation sends all of it. It keeps the limits of the area hard, the common market at a
        penalty; a dispatch that keeps them and is the cheapest with a penalty is the cheapest without.""",
        telling=LIMITS_MATTER,
        parts="""Where the common market leaves a limit of an area broken, for instance because nothing else
        serves the need; in what is paid under uniform prices; and with the points that `aggregation` sends
        by default.""",
        examples=(examples.full_branch, examples.price_of_an_area, examples.points_of_a_curve),
    ),
    EqualityStatement(
        name="central-03",
        title="central-03 is the common market",
        groups=(("central-03", "common"),),
        condition="always",
        meets=_always,
        payments=ANY,
        proof="""Both are the same block: the TSO's market with the rows of all areas, limits broken already
        included. It buys whatever mends them, so the needs of DSOs are in it although no DSO buys. The
        block has another name (`common_market`), and only the common market is asked how its cost is shared
        among operators. Whoever reads the central models of ALEXANDER D3.3 so that the TSO has to break
        nothing, and to mend nothing, takes `central-03-relaxed`.""",
        telling=LIMITS_MATTER,
        parts="""Nowhere. The tables of a simulation are the same, too, but for that name.""",
        exact=True,
    ),
    EqualityStatement(
        name="integrated",
        title="integrated is the common market without buyers",
        groups=(("common", "integrated"),),
        condition="no company bids to buy",
        meets=_always,
        payments=ANY,
        proof="""The integrated market adds what companies want to buy as more columns of the same
        programme. Without them it is the programme of the common market, column by column.""",
        telling=LIMITS_MATTER,
        exact=True,
        parts="""With a buyer whose price is met. In simulations BRPs are such buyers, so the two differ
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
        proof="""Under either scheme a DSO buys at least cost what keeps its limits, net nothing: for the
        local market because it holds the present flow, for shared balancing because the schedule lies
        nowhere else. The two columns for the band have no room. The TSO then sees the same flow at the
        boundary, and has no access to the areas.""",
        telling=LOCAL_BUYS,
        parts="""With another schedule, or a band. In simulations the schedule is that of the day before and
        the present flow a forecast, so the two differ there.""",
        examples=(examples.another_schedule,),
    ),
    EqualityStatement(
        name="relaxed",
        title="central-03-relaxed is central-03 where nothing is broken",
        groups=(("central-03", "central-03-relaxed"),),
        condition="the base state keeps all limits, and central-03 keeps them too and serves the whole need",
        meets=lambda trial: (
            base_keeps(trial.case) and keeps(trial["central-03"]) and serves(trial["central-03"])
        ),
        payments=ANY,
        proof="""Where the base state keeps all limits relaxing moves none of them. What differs is that the
        limits of the relaxed market are hard and those of central-03 have a penalty. As above: the cheapest
        dispatch with a penalty, if it pays none, is the cheapest without.""",
        telling=LIMITS_MATTER,
        parts="""Where the base state breaks a limit, which central-03 mends, and where only a broken limit
        would serve the need.""",
        examples=(examples.to_mend_or_not, examples.full_branch),
    ),
    EqualityStatement(
        name="no-limit-in-the-way",
        title="Limits that blind calls keep change nothing",
        groups=(("central-01", "common", "central-03-relaxed"),),
        condition="the outcome of central-01 keeps all limits of the areas",
        meets=lambda trial: keeps(trial["central-01"]),
        payments=ANY,
        proof="""Leaving limits out can only make a market cheaper. So the cheapest dispatch without them,
        if it keeps them, is the cheapest with them. By the earlier statements `central-03`, `integrated`
        and exact aggregation are the same too.""",
        telling=TSO_BUYS,
        parts="""Where blind calls break a limit, or leave one broken.""",
        examples=(examples.too_much_behind_a_branch,),
    ),
    EqualityStatement(
        name="nothing-to-correct",
        title="multilevel-01, -02, -02-post and -04 without congestion",
        groups=(("multilevel-01", "multilevel-02", "multilevel-02-post", "multilevel-04"),),
        condition="the outcome of multilevel-01 keeps all limits of the areas",
        meets=lambda trial: keeps(trial["multilevel-01"]),
        payments=ANY,
        proof="""For multilevel-04 as in the statement before. Nothing is refused where all awards are safe.
        A corrective market has nothing to mend, and no trade to make: of the bids of an area the TSO has
        left, none up asks less and none down pays more than its price at that area's bus.""",
        telling=TSO_BUYS,
        parts="""Where multilevel-01 breaks a limit all four may differ.""",
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
        proof="""(1) With the rows in it the TSO's market calls one direction only in each area. If it
        called a bid up and one down, take the smallest part of the feeder behind one branch (or all of it)
        that holds two such bids. Inside, calls up and down stand behind different branches, so a little
        less of both keeps all limits, leaves the flow out of that part as it is, and saves the up bid's
        price less the down bid's. If that saves nothing, the local market would have called both before.
        (2) Calls in one direction add up along nested branches. For nested limits the best choice takes
        bids in order of price, each as far as the limits around it let it. At any price of the TSO's market
        this gives the same MW of the bids that pay, so one list serves every price, and that list is the
        envelope. (3) So the dispatch of multilevel-04 lies within the envelopes, and all within the
        envelopes is open to it.""",
        telling=Telling(
            "limits of branches change what the TSO calls",
            lambda trial: not same_awards(trial["multilevel-01"], trial["multilevel-04"]),
        ),
        parts="""**They are not the same in general.** With voltages that bind no single list serves every
        price: what a bid takes of the room depends on where it stands. Nor are they where the local markets
        leave an overload, which the TSO mends in multilevel-04 alone, nor in what locational prices pay.""",
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
        proof="""As the statement before, without a local market: that a bid up and one down save something
        if both are called less is now the condition itself. Envelopes relax what the base state breaks as
        the relaxed market does, so it may break limits.""",
        telling=Telling(
            "limits of branches change what the TSO calls",
            lambda trial: not same_awards(trial["central-01"], trial["central-02"]),
        ),
        parts="""**They are not the same in general:** not with voltages that bind, and not with trades
        within an area, which take room from each other in an envelope and make room in a market. And
        locational prices pay as in the statement before.""",
        examples=(examples.near_or_far, examples.a_trade_within),
    ),
    EqualityStatement(
        name="hybrid",
        title="hybrid is central-02 with limits narrowed by 0.1 %",
        groups=(("hybrid", NARROWED),),
        condition="no voltage can leave its band whatever is called, and every DSO accepts within the rounds",
        meets=lambda trial: voltages_cannot_bind(trial.case) and not trial["hybrid"].left_out,
        payments=ANY,
        proof="""A list calls, in each area and direction, the bids up to some price. The DSO keeps of them
        what nested limits let through in order of price, then of all others what still fits, in order of
        price. Both steps together are one list in order of price, and that is how an envelope fills nested
        limits too. The limits are 0.1 % narrower. Later lists change nothing in it.""",
        telling=Telling(
            "limits of branches change what the TSO calls",
            lambda trial: not same_awards(trial["central-01"], trial["hybrid"]),
        ),
        parts="""**hybrid and central-02 itself are not the same in general.** The margin costs 0.1 % of a
        full branch times the difference of two prices. With voltages that bind the hybrid scheme looks at
        what is called first, central-02 at all offers. With AC offsets one goes by power flow, the other by
        the linear model.""",
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
        proof="""The first list is what central-01 calls. The DSO keeps all of it and lowers bounds beyond
        it only, so the last market may call the same again, and nothing it may call is cheaper.""",
        telling=TSO_BUYS,
        parts="""Where calls up and down are safe only together, and where blind calls are not safe.""",
        examples=(examples.two_that_cancel,),
    ),
    EqualityStatement(
        name="tso-first",
        title="multilevel-05 is central-01 without congestion",
        groups=(("central-01", "multilevel-05"),),
        condition="the outcome of central-01 keeps all limits of the areas",
        meets=lambda trial: keeps(trial["central-01"]),
        payments=ANY,
        proof="""The local markets behind the TSO's have nothing to mend, and no trade to make (as for the
        corrective markets above).""",
        telling=TSO_BUYS,
        parts="""Where blind calls break a limit, or leave one broken.""",
        examples=(examples.too_much_behind_a_branch,),
    ),
    EqualityStatement(
        name="idle-local-markets",
        title="A local market that buys nothing may as well not be there",
        groups=(
            ("central-01", "multilevel-01"),
            ("central-02", "multilevel-03"),
            ("central-03", "multilevel-04"),
        ),
        condition="""the base state keeps all limits, and in no area the cheapest bid up asks less than the
        best bid down pays""",
        meets=lambda trial: base_keeps(trial.case) and no_trade_pays(trial.case),
        payments=ANY,
        proof="""A local market buys nothing where there is no limit to mend and no trade that pays. All
        that follows is the same, block by block.""",
        telling=LIMITS_MATTER,
        parts="""Where a local market has something to mend or a trade to make.""",
        examples=(examples.something_to_mend_first, examples.a_trade_first),
    ),
    EqualityStatement(
        name="tso-stays-out",
        title="Who goes first, where the TSO buys nothing in the areas",
        groups=((*LOCAL_FIRST, "multilevel-05", "multilevel-06"),),
        condition="central-01 calls no bid of an area; schedules are the flows of the base state",
        meets=lambda trial: not _tso_buys_in_areas(trial),
        payments=ANY,
        proof="""What the TSO calls is then the cheapest without the areas, and stays so when their bids are
        fewer. Local markets hold the flow at the boundary, so the TSO's need is the same before and behind
        them, and they find all their bids either way. A second local market behind the first finds nothing
        left to gain.""",
        telling=LOCAL_BUYS,
        parts="""Where a bid of an area is among the cheapest for the TSO.""",
        examples=(examples.who_goes_first,),
    ),
)
"""In the order of the page."""
