"""A case under one scheme as a game among its sellers: mark-ups, withholding, and gaming by schedule."""

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
"""Ending of the bids that take back a plan."""
CONTRACT = ".contract"
"""Ending of the part of a bid that stands under a long-term contract."""


@dataclass(frozen=True)
class Move:
    """What a seller does with all it has: the mark-up it asks, the share it offers, the share of its plan."""

    markup_eur_per_mwh: float = 0.0
    offered: float = 1.0
    planned: float = 0.0


TRUTH = Move()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """MW at a node that a seller could trade day-ahead beyond its need, to be paid for taking them back.

    With `direction` up it is consumption worth `worth_eur_per_mwh` to it, less than the day-ahead price;
    with `direction` down production that costs so much, more than that price. Without being called it loses
    by either: that is what makes it gaming (Hirth and Schlecht, 2018).
    """

    system: str
    node: int
    direction: int
    mw: float
    worth_eur_per_mwh: float


@dataclass(frozen=True)
class Rules:
    """Mitigations: caps on what may be asked, a strike for contracted parts, no pay for causers.

    Caps bind everybody who sells, in all systems; whose cost lies beyond one stays out of the market. What
    stands under contract (see `with_contracts`) may be marked up by no more than `strike_markup`. With
    `pays_causers` false a seller whose own plan loads an area gets no more than the day-ahead price, which
    the plan itself would have brought, for as many MW of relief there.
    """

    cap_eur_per_mwh: float = np.inf
    floor_eur_per_mwh: float = -np.inf
    strike_markup: float = 0.0
    pays_causers: bool = True


NO_RULES = Rules()


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a profile leads to; profits (players,) EUR/h are after what plans lose and causers forgo."""

    profits: FloatArray
    planned_eur_per_h: FloatArray  # of that, (players,) day-ahead: never positive
    unpaid_eur_per_h: float
    planned_mw: float
    played: Played

    @property
    def paid_eur_per_h(self) -> float:
        """By all operators."""
        return sum(self.played.paid_eur_per_h.values()) - self.unpaid_eur_per_h


@dataclass(kw_only=True)
class CaseGame:
    """Sellers of a case who choose among moves, while all other sellers bid the truth.

    `cleared` keeps what the market made of every profile seen; see `variant`.
    """

    market: CaseMarket
    players: tuple[str, ...]
    choices: Mapping[str, Sequence[Move]]  # by player, the truth first
    plans: Mapping[str, Sequence[Plan]] = field(default_factory=dict)
    day_ahead_eur_per_mwh: float = 0.0
    rules: Rules = NO_RULES
    cleared: dict[Profile, Played] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ValueError for players without the truth as first move, and plans that pay by themselves."""
        if len(set(self.players)) < len(self.players):
            raise ValueError("a player is named twice")
        for player in self.players:
            self.market.rows_of(player)
            if not self.choices[player] or self.choices[player][0] != TRUTH:
                raise ValueError(f"the first move of {player} must be the truth")
            for plan in self.plans.get(player, ()):
                if plan.direction * (self.day_ahead_eur_per_mwh - plan.worth_eur_per_mwh) < 0.0:
                    raise ValueError(f"a plan of {player} pays without being called: that is no gaming")

    @property
    def moves(self) -> Profile:
        """How many moves each player has."""
        return tuple(len(self.choices[player]) for player in self.players)

    @property
    def truth(self) -> Profile:
        """The profile in which everybody bids the truth."""
        return (0,) * len(self.players)

    def profits(self, played: Profile) -> FloatArray:
        """What each player earns, (players,) EUR/h."""
        return self.result(played).profits

    def variant(self, moves: int, pays_causers: bool = True) -> CaseGame:
        """The game with the first so many moves alone, and causers paid or not: what is cleared is shared."""
        choices = {player: self.choices[player][:moves] for player in self.players}
        return replace(self, choices=choices, rules=replace(self.rules, pays_causers=pays_causers))

    def result(self, played: Profile) -> Result:
        """What a profile leads to; every profile is cleared once."""
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
        """What plans cost before anything is called: never positive."""
        lost = (
            p.direction * (p.worth_eur_per_mwh - self.day_ahead_eur_per_mwh) * p.mw
            for p in self.plans.get(player, ())
        )
        return move.planned * float(sum(lost))

    def _withheld_pay(self, player: str, move: Move, found: Played) -> float:
        """Pay that a seller loses because its own plans load the areas it relieves."""
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
            worth = direction * self.day_ahead_eur_per_mwh * sold  # what it would have got or paid anyway
            kept += max(received - worth, 0.0) * min(mw / sold, 1.0) if sold > 0.0 else 0.0
        return kept


def with_plans(case: Case, plans: Mapping[str, Sequence[Plan]]) -> Case:
    """A case in which sellers could also take back their plans, priced at what those are worth."""
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
    """A case in which the bids of providers belong to owners; providers not named stay as they are."""

    def owned(bids: Bids) -> Bids:
        names = [owner_of.get(name, name) for name in bids.provider.tolist()]
        return replace(bids, provider=np.array(names, dtype=np.str_)) if names else bids

    areas = {name: replace(area, bids=owned(area.bids)) for name, area in case.areas.items()}
    return replace(case, tso_bids=owned(case.tso_bids), areas=areas)


def with_contracts(case: Case, share: float) -> Case:
    """A case in which a share of every bid in distribution stands under contract, as a bid apart."""
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
