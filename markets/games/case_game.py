"""A case under one scheme as a game among its sellers: mark-ups, withholding, and gaming by schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.cases.case import Case
from tandem_sim.markets.coordination.block import Scheme
from tandem_sim.markets.games.equilibrium import Profile
from tandem_sim.markets.games.repeated_market import CaseMarket, Played
from tandem_sim.markets.orders.bids import UP, Bids

PLAN = ".plan"
"""Ending of the ids of bids that take back a plan."""
CONTRACT = ".contract"
"""Ending of the id of the part of a bid that is under a long-term contract."""


@dataclass(frozen=True)
class Move:
    """The choice of a seller for all its bids: mark-up, share offered, and share of its plan."""

    markup_eur_per_mwh: float = 0.0
    offered: float = 1.0
    planned: float = 0.0


TRUTH = Move()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """MW at a node that a seller can trade day-ahead beyond its need, to be paid for taking them back.

    With `direction` up it is consumption that is worth `worth_eur_per_mwh` to the seller, less than the
    day-ahead price. With `direction` down it is production at that cost, above that price. Without activation
    the seller loses in both cases: that makes it gaming (Hirth and Schlecht, 2018).
    """

    system: str
    node: int
    direction: int
    mw: float
    worth_eur_per_mwh: float


@dataclass(frozen=True)
class Rules:
    """Mitigation measures: price caps, strike prices of contracted parts, no pay for causers.

    Caps bind all sellers in all systems; a seller whose cost lies beyond one stays out of the market. Parts
    under contract (see `with_contracts`) may be marked up by no more than `strike_markup` (EUR/MWh). With
    `pays_causers` false, a seller whose own plan loads an area gets for as many MW of relief there no more
    than the day-ahead price, which the plan itself would have brought.
    """

    cap_eur_per_mwh: float = np.inf
    floor_eur_per_mwh: float = -np.inf
    strike_markup: float = 0.0
    pays_causers: bool = True


NO_RULES = Rules()


@dataclass(frozen=True, kw_only=True)
class Result:
    """Result of a profile; profits (players,) EUR/h include losses of plans and pay withheld from causers."""

    profits: FloatArray
    planned_eur_per_h: FloatArray  # of that, (players,) day-ahead: never positive
    unpaid_eur_per_h: float
    planned_mw: float
    played: Played

    @property
    def paid_eur_per_h(self) -> float:
        """Total payments of all operators (EUR/h)."""
        return sum(self.played.paid_eur_per_h.values()) - self.unpaid_eur_per_h


@dataclass(kw_only=True)
class CaseGame:
    """Sellers of a case who choose among moves, while all other sellers bid their costs.

    `cleared` keeps the market result of every profile; see `variant`.
    """

    market: CaseMarket
    players: tuple[str, ...]
    choices: Mapping[str, Sequence[Move]]  # by player, the truth first
    plans: Mapping[str, Sequence[Plan]] = field(default_factory=dict)
    day_ahead_eur_per_mwh: float = 0.0
    rules: Rules = NO_RULES
    cleared: dict[Profile, Played] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ValueError for a player whose first move is not the truth, or a plan profitable by itself."""
        if len(set(self.players)) < len(self.players):
            raise ValueError("a player is named twice")
        for player in self.players:
            self.market.rows_of(player)
            if not self.choices[player] or self.choices[player][0] != TRUTH:
                raise ValueError(f"the first move of {player} must be the truth")
            for plan in self.plans.get(player, ()):
                if plan.direction * (self.day_ahead_eur_per_mwh - plan.worth_eur_per_mwh) < 0.0:
                    raise ValueError(
                        f"a plan of {player} is profitable without activation: that is no gaming"
                    )

    @property
    def moves(self) -> Profile:
        """Number of moves of each player."""
        return tuple(len(self.choices[player]) for player in self.players)

    @property
    def truth(self) -> Profile:
        """The profile in which all players bid their costs."""
        return (0,) * len(self.players)

    def profits(self, played: Profile) -> FloatArray:
        """Profit of each player, (players,) EUR/h."""
        return self.result(played).profits

    def variant(self, moves: int, pays_causers: bool = True) -> CaseGame:
        """The game with only the first `moves` moves, and causers paid or not; market results are shared."""
        choices = {player: self.choices[player][:moves] for player in self.players}
        return replace(self, choices=choices, rules=replace(self.rules, pays_causers=pays_causers))

    def result(self, played: Profile) -> Result:
        """Result of a profile; every profile is cleared once."""
        chosen = {p: self.choices[p][move] for p, move in zip(self.players, played, strict=True)}
        if played not in self.cleared:
            self.cleared[played] = self.market.play(self._books(chosen), self._shift(chosen))
        found = self.cleared[played]
        planned = np.array([self._plan_eur_per_h(p, chosen[p]) for p in self.players])
        kept = np.array([self._withheld_pay(p, chosen[p], found) for p in self.players])
        profits = np.array([found.profit_eur_per_h[p] for p in self.players]) + planned - kept
        mw = sum(move.planned * plan.mw for p, move in chosen.items() for plan in self.plans.get(p, ()))
        return Result(
            profits=profits,
            planned_eur_per_h=planned,
            unpaid_eur_per_h=float(kept.sum()),
            planned_mw=mw,
            played=found,
        )

    def _books(self, chosen: Mapping[str, Move]) -> dict[str, Bids]:
        books = {}
        for system, true in self.market.books.items():
            price, quantity = np.array(true.price), np.array(true.quantity_mw)
            contracted, plan = np.char.endswith(true.bid_id, CONTRACT), np.char.endswith(true.bid_id, PLAN)
            quantity[plan] = 0.0
            for player, move in chosen.items():
                rows = self.market.rows_of(player).get(system)
                if rows is None:
                    continue
                strike = min(move.markup_eur_per_mwh, self.rules.strike_markup)
                markup = np.where(contracted[rows], strike, move.markup_eur_per_mwh)
                price[rows] += true.direction[rows] * markup
                share = np.where(plan[rows], move.planned, move.offered)
                quantity[rows] = share * true.quantity_mw[rows]
            up, low, high = true.direction == UP, self.rules.floor_eur_per_mwh, self.rules.cap_eur_per_mwh
            capped = np.where(up, np.minimum(price, high), np.maximum(price, low))
            price = np.where(true.demand, true.price, capped)
            stays_out = np.where(up, true.price > high, true.price < low) & ~true.demand
            books[system] = replace(true, price=price, quantity_mw=np.where(stays_out, 0.0, quantity))
        return books

    def _shift(self, chosen: Mapping[str, Move]) -> dict[str, FloatArray]:
        shift: dict[str, FloatArray] = {}
        for player, move in chosen.items():
            for plan in self.plans.get(player, ()) if move.planned else ():
                n = self.market.case.areas[plan.system].network.n_nodes
                mw = shift.setdefault(plan.system, np.zeros(n))
                mw[plan.node] -= plan.direction * move.planned * plan.mw
        return shift

    def _plan_eur_per_h(self, player: str, move: Move) -> float:
        """Profit of plans before activation (EUR/h): never positive."""
        lost = (
            p.direction * (p.worth_eur_per_mwh - self.day_ahead_eur_per_mwh) * p.mw
            for p in self.plans.get(player, ())
        )
        return move.planned * float(sum(lost))

    def _withheld_pay(self, player: str, move: Move, found: Played) -> float:
        """Pay withheld from a seller (EUR/h) because its own plans load the areas it relieves."""
        if self.rules.pays_causers or not move.planned:
            return 0.0
        kept, caused = 0.0, {(p.system, p.direction): 0.0 for p in self.plans.get(player, ())}
        for plan in self.plans.get(player, ()):
            caused[plan.system, plan.direction] += move.planned * plan.mw
        for (system, direction), mw in caused.items():
            rows = self.market.rows_of(player)[system]
            rows = rows[self.market.books[system].direction[rows] == direction]
            sold = float(found.sold_mw[system][rows].sum())
            received = float(found.received_eur_per_h[system][rows].sum())
            worth = direction * self.day_ahead_eur_per_mwh * sold  # at the day-ahead price
            kept += max(received - worth, 0.0) * min(mw / sold, 1.0) if sold > 0.0 else 0.0
        return kept


def with_plans(case: Case, plans: Mapping[str, Sequence[Plan]]) -> Case:
    """A case in which sellers can also take back their plans, priced at the worth of the plans."""
    areas = dict(case.areas)
    for seller, own in plans.items():
        for k, plan in enumerate(own):
            bid = Bids.of(
                [f"{seller}.{k}{PLAN}"],
                [seller],
                [plan.node],
                [plan.direction],
                [plan.mw],
                [plan.worth_eur_per_mwh],
            )
            area = areas[plan.system]
            areas[plan.system] = replace(area, bids=Bids.join([area.bids, bid]))
    return replace(case, areas=areas)


def with_owners(case: Case, owner_of: Mapping[str, str]) -> Case:
    """A case in which the bids of providers belong to owners; other providers stay as they are."""

    def owned(bids: Bids) -> Bids:
        names = [owner_of.get(name, name) for name in bids.provider.tolist()]
        return replace(bids, provider=np.array(names, dtype=np.str_)) if names else bids

    areas = {name: replace(area, bids=owned(area.bids)) for name, area in case.areas.items()}
    return replace(case, tso_bids=owned(case.tso_bids), areas=areas)


def with_contracts(case: Case, share: float) -> Case:
    """A case in which a share of every bid in distribution is under contract, as a separate bid."""
    if not 0.0 < share < 1.0:
        raise ValueError(f"share {share} must lie between 0 and 1")
    areas = {}
    for name, area in case.areas.items():
        bids = area.bids
        under = replace(
            bids,
            bid_id=np.char.add(bids.bid_id, CONTRACT),
            quantity_mw=share * bids.quantity_mw,
            held_mw=share * bids.held_mw,
        )
        free = replace(
            bids, quantity_mw=(1.0 - share) * bids.quantity_mw, held_mw=(1.0 - share) * bids.held_mw
        )
        areas[name] = replace(area, bids=Bids.join([free, under]))
    return replace(case, areas=areas)


def case_game(
    case: Case,
    scheme: Scheme,
    players: Sequence[str],
    moves: Sequence[Move],
    plans: Mapping[str, Sequence[Plan]] | None = None,
    day_ahead_eur_per_mwh: float = 0.0,
    rules: Rules = NO_RULES,
) -> CaseGame:
    """A game in which all players have the same moves; see `CaseGame`."""
    plans = plans or {}
    market = CaseMarket(with_plans(case, plans), scheme)
    return CaseGame(
        market=market,
        players=tuple(players),
        choices={p: tuple(moves) for p in players},
        plans=plans,
        day_ahead_eur_per_mwh=day_ahead_eur_per_mwh,
        rules=rules,
    )
