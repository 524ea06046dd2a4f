"""Cases of a few nodes, cleared by hand, in which schemes differ that are the same elsewhere.

Every area is a `small_cases.feeder` (branch from the root to node 1 with a limit, node 2 behind it),
or a line of two branches whose voltages bind. Powers in MW, prices in EUR/MWh, costs in EUR/h.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tandem_sim.experiments.studies.equal_schemes.small_cases import Row, area, book, feeder, system
from tandem_sim.experiments.studies.equal_schemes.trials import EXACT, NARROWED
from tandem_sim.grids.network.made import network
from tandem_sim.markets.cases.case import Case, CaseArea
from tandem_sim.markets.choices import Pricing

T_UP: Row = ("t", 0, 1, 9.0, 70.0)
"""Bid of transmission in nearly all of these cases: 9 MW up at 70 EUR/MWh."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """A case with its result by hand, and how it was calculated.

    `costs` is the procurement cost by scheme (EUR/h); with another rule than pay-as-bid it is what operators
    pay. `unserved` is need left (MW) and `broken` the number of limits broken in the end, where not zero.
    """

    title: str
    text: str
    case: Case
    costs: Mapping[str, float]
    pricing: Pricing = "pay-as-bid"
    unserved: Mapping[str, float] | None = None
    broken: Mapping[str, int] | None = None


def _uphill(high_pu2: float, x_pu: float, *bids: Row) -> CaseArea:
    """Root, node 1, node 2 in a row, nothing connected but bids; squared voltages of at most `high_pu2`.

    Injection of 1 MW at node 1 raises those of both nodes by ``x_pu / 10``, at node 2 that of node 2 by twice
    as much (r is half of x, 10 MVA).
    """
    ends = np.array([0, 1]), np.array([1, 2])
    band = (0.5, float(np.sqrt(high_pu2)))
    grid = network(*ends, np.full(2, x_pu), np.full(2, 1e3), np.zeros(3), band, "D", 0.0)
    return area(grid, book(*bids))


def full_branch() -> Example:
    """A need that only a broken limit would serve."""
    case = system(-1.0, book(), D=feeder(book(("d", 1, -1, 2.0, 20.0)), 2.0, base_mw=(-2.0, 0.0)))
    return Example(
        title="A need that only a broken limit would serve",
        text="""The area draws 2 MW over a branch for 2 MW. The system has 1 MW too much, and the only bid is
        that of the area to draw 2 MW more. A MW over a limit and a MW unserved cost 10 000 EUR/h each, and
        the bid pays 20. Where limits of areas are soft, the bid is called and the branch stays 1 MW over its
        limit. Where they are hard, it is not called and 1 MW stays unserved.""",
        case=case,
        costs={"common": -20.0, "central-03": -20.0, EXACT: 0.0, "central-03-relaxed": 0.0},
        unserved={EXACT: 1.0, "central-03-relaxed": 1.0},
        broken={"common": 1, "central-03": 1},
    )


def price_of_an_area() -> Example:
    """One price for all, or a price for each supply function."""
    case = system(3.0, book(T_UP), D=feeder(book(("u", 1, 1, 2.0, 60.0)), 9.0))
    return Example(
        title="Payments where all are paid one price",
        text="""3 MW are needed. The area offers 2 MW at 60, transmission 9 MW at 70. Both markets call 2 MW
        of the area and 1 MW of transmission. Paid as cleared, the common market pays 70 for all: 210 EUR/h.
        With aggregation the DSO sets the price of the 2 MW requested from its own bids: 60, and 190 EUR/h in
        all.""",
        case=case,
        costs={"common": 210.0, EXACT: 190.0},
        pricing="pay-as-cleared",
    )


def points_of_a_curve() -> Example:
    """Aggregation that sends points instead of breakpoints."""
    case = system(0.75, book(T_UP), D=feeder(book(("u", 1, 1, 2.0, 60.0)), 9.0))
    return Example(
        title="Aggregation that sends points (the default)",
        text="""0.75 MW are needed. The area offers 2 MW at 60 and sends points every 0.5 MW, of which the TSO
        takes one: 0.5 MW, and 0.25 MW of transmission at 70. That costs 30 + 17.5 = 47.5 EUR/h; 0.75 MW at 60
        cost 45 EUR/h.""",
        case=case,
        costs={"common": 45.0, "aggregation": 47.5},
    )


def a_buyer() -> Example:
    """A company that buys."""
    bids = book(("t1", 0, 1, 4.0, 40.0), ("t2", 0, 1, 4.0, 60.0), ("A", 0, -1, 2.0, 70.0), demand=("A",))
    return Example(
        title="A company that buys",
        text="""3 MW are needed; offers are 4 MW at 40 and 4 MW at 60. Company A buys up to 2 MW for at most
        70. The integrated market sells it 1 MW of 40 and 1 MW of 60, and buys for 4 x 40 + 1 x 60 = 220
        EUR/h, of which the company values 140. The common market does not serve companies: 3 x 40 = 120
        EUR/h.""",
        case=system(3.0, bids, D=feeder(book(), 5.0)),
        costs={"common": 120.0, "integrated": 220.0},
    )


def another_schedule() -> Example:
    """A schedule that is not the present flow."""
    bids = book(("u1", 1, 1, 2.0, 50.0), ("u2", 2, 1, 2.0, 60.0))
    scheduled = replace(feeder(bids, 10.0, base_mw=(-1.0, -2.0)), scheduled_mw=0.5)
    return Example(
        title="Another schedule",
        text="""The area draws 3 MW, its schedule is 0.5 MW, and the system lacks 1 MW with the area at 3 MW.
        Under shared-balancing the DSO buys 2.5 MW up (2 at 50, 0.5 at 60 EUR/MWh), and the TSO buys 1.5 MW
        down on transmission at 5: 130 - 7.5 = 122.5 EUR/h. Under fragmented the area stays at 3 MW, and the
        TSO buys 1 MW at 70.""",
        case=system(1.0, book(T_UP, ("td", 0, -1, 9.0, 5.0)), D=scheduled),
        costs={"fragmented": 70.0, "shared-balancing": 122.5},
    )


def to_mend_or_not() -> Example:
    """An overload of the base state."""
    case = system(1.0, book(T_UP), D=feeder(book(("u", 1, 1, 2.0, 90.0)), 2.0, base_mw=(-3.0, 0.0)))
    return Example(
        title="An overload in the base state",
        text="""The area draws 3 MW over a branch for 2 MW, and the system lacks 1 MW. 1 MW of the area at 90
        relieves the branch, 1 MW of transmission at 70 does not. A local market cannot relieve it, because no
        bid offsets that 1 MW.""",
        case=case,
        costs={"central-03": 90.0, "central-03-relaxed": 70.0, "multilevel-03": 70.0, "multilevel-04": 90.0},
        broken={"central-03-relaxed": 1, "multilevel-03": 1},
    )


def too_much_behind_a_branch() -> Example:
    """A branch that a TSO's market without distribution limits overloads."""
    bids = book(("u", 1, 1, 2.0, 40.0), ("d", 2, -1, 2.0, 20.0), ("u0", 0, 1, 2.0, 90.0))
    return Example(
        title="A branch that the TSO's market overloads",
        text="""2 MW are needed. Behind a branch for 1 MW the area offers 2 MW up at 40 (u) and 2 MW down at
        20 (d), upstream of it 2 MW up at 90 (u0); transmission asks 70. Markets without the limit call 2 MW
        of u for 80 EUR/h. A market with the limit calls 1 MW of u and 1 MW of transmission: 110. A market
        that relieves the branch afterwards adds 1 MW of d and 1 MW of u0: 80 - 20 + 90 = 150.
        Post-qualification keeps 1 MW of u: 40, and 1 MW stays unserved.""",
        case=system(2.0, book(T_UP), D=feeder(bids, 1.0)),
        costs={
            "central-01": 80.0,
            "common": 110.0,
            "central-03-relaxed": 110.0,
            "multilevel-01": 80.0,
            "multilevel-02": 150.0,
            "multilevel-02-post": 40.0,
            "multilevel-04": 110.0,
            "multilevel-05": 150.0,
        },
        unserved={"multilevel-02-post": 1.0},
        broken={"central-01": 1, "multilevel-01": 1},
    )


def near_or_far() -> Example:
    """Voltages that bind."""
    bids: tuple[Row, ...] = (("far", 2, 1, 2.0, 10.0), ("near", 1, 1, 2.0, 12.0))
    return Example(
        title="Voltages that bind",
        text="""2 MW are needed. The area offers 2 MW at node 2 for 10 (far) and 2 MW at node 1 for 12 (near).
        A MW at node 2 raises the squared voltage there by 0.02, a MW at node 1 by 0.01, and the margin is
        0.02. An envelope gives far the weight 1 + 12 - 10 = 3 and near the weight 1. Per unit of voltage that
        is 150 against 100, so it allows 1 MW of far: 10 + 70 = 80 EUR/h. A market with the voltage constraint
        and the need of 2 MW calls 2 MW of near: 24.""",
        case=system(2.0, book(T_UP), D=_uphill(1.02, 0.1, *bids)),
        costs={"multilevel-03": 80.0, "multilevel-04": 24.0, "central-02": 80.0, "central-03-relaxed": 24.0},
    )


def price_behind_a_branch() -> Example:
    """Payments of sellers behind a full branch."""
    case = system(2.0, book(T_UP), D=feeder(book(("u", 1, 1, 2.0, 40.0)), 1.0))
    return Example(
        title="Payments by locational prices",
        text="""2 MW are needed. The area offers 2 MW at 40 behind a branch for 1 MW; transmission asks 70.
        Either scheme calls 1 MW of each. In multilevel-04 another MW behind the branch is worth 40, so it
        pays 40 + 70. In multilevel-03 the envelope has taken the limit out of the TSO's market, which pays 70
        for both.""",
        case=case,
        costs={"multilevel-03": 140.0, "multilevel-04": 110.0},
        pricing="locational",
    )


def a_trade_within() -> Example:
    """Two bids behind one branch between which a trade pays."""
    bids = book(("u", 1, 1, 3.0, 10.0), ("d", 2, -1, 2.0, 30.0))
    return Example(
        title="A trade within the area that pays",
        text="""1 MW is needed. Behind a branch for 1 MW the area offers 3 MW up at 10 and 2 MW down at 30. An
        envelope holds for calls of either direction alone: 1 MW of each, of which 1 MW up is called: 10
        EUR/h. A market with the branch in it calls all of both, 1 MW net: 30 - 60 = -30 EUR/h.""",
        case=system(1.0, book(T_UP), D=feeder(bids, 1.0)),
        costs={"central-02": 10.0, "central-03-relaxed": -30.0},
    )


def the_margin() -> Example:
    """The margin of the hybrid scheme."""
    case = system(9.0, book(T_UP), D=feeder(book(("u", 1, 1, 9.0, 40.0)), 5.0))
    return Example(
        title="The margin",
        text="""9 MW are needed. The area offers 9 MW at 40 behind a branch for 5 MW; transmission asks 70.
        central-02 calls 5 MW and 4 MW: 480 EUR/h. The hybrid scheme keeps 0.1 % of the branch free: 4.995 and
        4.005 MW, 480.15.""",
        case=case,
        costs={"hybrid": 480.15, "central-02": 480.0, NARROWED: 480.15},
    )


def called_first() -> Example:
    """A list that is accepted at once."""
    bids: tuple[Row, ...] = (("far", 2, 1, 0.9, 10.0), ("near", 1, 1, 2.0, 10.5))
    return Example(
        title="What is called first, where voltages bind",
        text="""1 MW is needed. The grid is that of the example with near and far, with 0.9 MW of far at 10
        and 2 MW of near at 10.5. The list of the hybrid scheme calls 0.9 MW of far and 0.1 MW of near. That
        uses 0.019 of the margin of 0.02, 0.0002 stay free, and the DSO accepts it: 9 + 1.05 = 10.05 EUR/h. An
        envelope checks all offers. Per unit of voltage near counts 1 / 0.01, far 1.5 / 0.02, so it allows 2
        MW of near and nothing of far: 10.5. (With the margin of the hybrid scheme 1.98 MW of near; the cost
        is the same.)""",
        case=system(1.0, book(T_UP), D=_uphill(1.02, 0.1, *bids)),
        costs={"hybrid": 10.05, "central-02": 10.5, NARROWED: 10.5},
    )


def two_that_cancel() -> Example:
    """Up and down calls that are safe only together."""
    bids = book(("u", 1, 1, 2.0, 10.0), ("d", 2, -1, 0.5, 80.0))
    return Example(
        title="Calls that are safe only together",
        text="""1 MW is needed. Behind a branch for 1 MW the area offers 2 MW up at 10 and 0.5 MW down at 80.
        Without the limit 1.5 MW up and 0.5 MW down are called, 1 MW over the branch: 15 - 40 = -25 EUR/h. A
        DSO of the hybrid scheme sends back bounds that hold for either direction alone: 0.999 MW up. With
        0.501 MW of transmission that is 9.99 - 40 + 35.07 = 5.06 EUR/h.""",
        case=system(1.0, book(T_UP), D=feeder(bids, 1.0)),
        costs={"central-01": -25.0, "hybrid": 5.06},
    )


def something_to_mend_first() -> Example:
    """A local market with a limit to relieve."""
    bids = book(("u", 1, 1, 2.0, 90.0), ("d0", 0, -1, 2.0, 20.0))
    return Example(
        title="A limit that the local market relieves",
        text="""The area draws 3 MW over a branch for 2 MW, and the system lacks 1 MW. The local market calls
        1 MW up at 90 behind the branch and 1 MW down at 20 upstream of it, the TSO then 1 MW at 70: 140
        EUR/h. Without a local market the branch stays overloaded: 70.""",
        case=system(1.0, book(T_UP), D=feeder(bids, 2.0, base_mw=(-3.0, 0.0))),
        costs={"central-01": 70.0, "multilevel-01": 140.0},
        broken={"central-01": 1},
    )


def a_trade_first() -> Example:
    """A local market with a trade that pays."""
    bids = book(("u", 1, 1, 1.0, 20.0), ("d", 1, -1, 1.0, 30.0))
    return Example(
        title="A trade that the local market makes",
        text="""1 MW is needed. The area offers 1 MW up at 20 and 1 MW down at 30, transmission 70. A local
        market calls both and earns 10, and no bid is left for the TSO: 70 - 10 = 60 EUR/h. Without it the TSO
        takes the MW at 20.""",
        case=system(1.0, book(T_UP), D=feeder(bids, 9.0)),
        costs={"central-01": 20.0, "multilevel-01": 60.0},
    )


def who_goes_first() -> Example:
    """Relief of a branch that serves the TSO's need too."""
    bids = book(("u", 1, 1, 1.0, 60.0), ("d0", 0, -1, 2.0, 20.0))
    names = ("multilevel-01", "multilevel-02", "multilevel-02-post", "multilevel-03", "fragmented")
    return Example(
        title="A bid of the area that the TSO wants",
        text="""The area draws 3 MW over a branch for 2 MW, and the system lacks 1 MW. If local markets are
        first, they call 1 MW up at 60 behind the branch and 1 MW down at 20 upstream of it, and the TSO buys
        1 MW at 70: 110 EUR/h. If the TSO is first, it takes the MW at 60, which relieves the branch too:
        60.""",
        case=system(1.0, book(T_UP), D=feeder(bids, 2.0, base_mw=(-3.0, 0.0))),
        costs={
            **dict.fromkeys(names, 110.0),
            "shared-balancing": 110.0,
            "multilevel-05": 60.0,
            "multilevel-06": 60.0,
        },
    )
