"""Calls the strategy of a seller, checks its offers, and handles its faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np

from tandem_sim.agents.base.agent import Record
from tandem_sim.agents.parties.sales_book import ClosedBook
from tandem_sim.agents.strategies.registry import is_built_in
from tandem_sim.agents.strategies.strategy import (
    BOOK,
    BaselineStrategy,
    Offers,
    OfferView,
    PublishedBook,
    SellerResult,
    Strategy,
    SupplyStrategy,
    Truthful,
    call_strategy,
    checked,
    declared_inputs,
    name_of,
    vector,
)
from tandem_sim.agents.strategies.time_limit import LIMIT_S
from tandem_sim.grids.errors import StrategyError, StrategyLimitError
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.orders.bids import DOWN, UP, Bids

_Answer = TypeVar("_Answer")
MOST_SUPPLY_MARKUP = 1000.0
"""EUR/MWh, largest day-ahead markup in size: far below the market's value of unserved demand."""


class Bidder:
    """The strategy of one seller. On a fault the run stops, or the seller bids truthfully from then on.

    One call of a strategy that is not built in may take `limit_s` seconds (0: any time).
    """

    def __init__(self, seller: str, strategy: Strategy, record: Record, replaces_faults: bool) -> None:
        self._seller, self._record, self._replaces_faults = seller, record, replaces_faults
        self._published: dict[str, PublishedBook] = {}  # by system, of the last ISP settled
        self.limit_s = LIMIT_S
        self.play(strategy)

    def play(self, strategy: Strategy) -> None:
        """Bid by this strategy from now on. Raises `StrategyError` for unknown inputs in its `sees`."""
        self.strategy = strategy
        self.sees = declared_inputs(strategy, f"strategy {type(strategy).__name__} of {self._seller}")

    def offers(self, view: OfferView) -> Offers:
        """The checked offers of the strategy."""
        return self._with_fallback(
            view.isp, lambda: checked(self.strategy, view, self._seller, self._limit_s)
        )

    def book(self, system: str) -> PublishedBook | None:
        """The last published book of a system, if the strategy declares that it uses it."""
        return self._published.get(system)

    @property
    def needs_results(self) -> bool:
        """Whether the strategy needs results of an ISP, its own or those of all sellers."""
        return self.strategy.learns or BOOK in self.sees

    def take_results(self, outcome: SellerResult, books: Mapping[str, ClosedBook]) -> None:
        """An ISP is settled: store the published books, and let the strategy learn from its own result."""
        if BOOK in self.sees:
            self._published = {
                system: _without(self._seller, outcome.isp, book.bids, book.sold_mw)
                for system, book in books.items()
            }
        if self.strategy.learns:
            isp = outcome.isp
            self._with_fallback(isp, lambda: self._call(isp, "learn", lambda: self.strategy.learn(outcome)))

    def supply_markup(self, day: range) -> FloatArray | None:
        """Day-ahead markup on marginal cost (len(day),) EUR/MWh; None if the strategy sets none."""
        if not isinstance(self.strategy, SupplyStrategy):
            return None
        return self._with_fallback(day.start, lambda: self._supply_markup(day))

    def declared_mw(self, isp: int, expected_mw: FloatArray, offered_up_mw: FloatArray) -> FloatArray:
        """Baselines (g,) to declare, MW of injection: those expected, or those of the strategy."""
        return self._with_fallback(isp, lambda: self._declared_mw(isp, expected_mw, offered_up_mw))

    @property
    def _limit_s(self) -> float:
        return 0.0 if is_built_in(self.strategy) else self.limit_s

    def _call(self, isp: int, method: str, action: Callable[[], _Answer]) -> _Answer:
        return call_strategy(action, self._name(isp), method, self._limit_s)

    def _name(self, isp: int) -> str:
        return name_of(self.strategy, self._seller, isp)

    def _with_fallback(self, isp: int, action: Callable[[], _Answer]) -> _Answer:
        try:
            return action()
        except StrategyLimitError:
            raise
        except StrategyError as error:
            if not self._replaces_faults:
                raise
            self._record(
                "fallbacks",
                {
                    "isp": isp,
                    "party": self._seller,
                    "about": str(error),
                    "consequence": "the seller bids truthfully from now on",
                },
            )
            self.play(Truthful())
            return action()

    def _supply_markup(self, day: range) -> FloatArray:
        strategy = self.strategy
        if not isinstance(strategy, SupplyStrategy):
            return np.zeros(len(day))
        found = self._numbers(day.start, "supply_markup", len(day), lambda: strategy.supply_markup(day))
        if (np.abs(found) > MOST_SUPPLY_MARKUP).any():
            raise StrategyError(
                f"{self._name(day.start)}: a supply markup exceeds {MOST_SUPPLY_MARKUP:g} EUR/MWh"
            )
        return found

    def _declared_mw(self, isp: int, expected_mw: FloatArray, offered_up_mw: FloatArray) -> FloatArray:
        strategy = self.strategy
        if not isinstance(strategy, BaselineStrategy):
            return expected_mw
        return self._numbers(
            isp,
            "declared_mw",
            len(expected_mw),
            lambda: strategy.declared_mw(expected_mw, offered_up_mw),
        )

    def _numbers(self, isp: int, method: str, n: int, action: Callable[[], FloatArray]) -> FloatArray:
        what = f"{self._name(isp)}: {method} has"
        found = self._call(isp, method, lambda: vector(action(), n, np.float64, what))
        if not np.isfinite(found).all():
            raise StrategyError(f"{self._name(isp)}: {method} must be {n} finite numbers")
        return found


def _without(seller: str, isp: int, bids: Bids, sold_mw: FloatArray) -> PublishedBook:
    """A book as published to one seller: without its own bids, and without bids of buying companies."""
    supply = ~bids.demand
    bought = {d: float(sold_mw[supply & (bids.direction == d)].sum()) for d in (UP, DOWN)}
    others = np.flatnonzero(supply & (bids.provider != seller))
    return PublishedBook(
        isp=isp,
        direction=bids.direction[others],
        quantity_mw=bids.quantity_mw[others],
        price=bids.price[others],
        bought_mw=bought,
    )
