"""Bidding strategies: from available MW and costs of resources to offers. They get no other information."""

from __future__ import annotations

from collections.abc import Callable, Sized
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tandem_sim.agents.strategies.allowed_code import describe
from tandem_sim.agents.strategies.time_limit import LIMIT_S, within
from tandem_sim.grids.errors import OverdueError, StrategyError, StrategyLimitError, WithheldError
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray

Stage = Literal["first", "left"]
"""When offers are made: first, or for MW that a local market left and the TSO's market may buy."""
BOOK = "book"
OPTIONAL_INPUTS = frozenset({BOOK})
"""Inputs that a strategy may use besides its own resources, prices and rules."""


@dataclass(frozen=True, kw_only=True)
class PublishedBook:
    """The m bids of all other sellers in one system for the last settled ISP, anonymised.

    Balancing markets publish offers, anonymised, soon after delivery (Regulation (EU) 2017/2195, art. 12).
    Arrays (m,): `direction` is +1 up and -1 down, `quantity_mw` in MW, `price` in EUR/MWh. `bought_mw` has
    the MW bought of the bids of all sellers by direction.

    >>> book = PublishedBook(
    ...     isp=7,
    ...     direction=np.array([1, 1, -1]),
    ...     quantity_mw=np.array([2.0, 1.0, 4.0]),
    ...     price=np.array([61.0, 55.5, 12.0]),
    ...     bought_mw={1: 1.5, -1: 0.0},
    ... )
    >>> float(book.price[book.direction > 0].min())  # the cheapest upward bid, EUR/MWh
    55.5
    """

    isp: int
    direction: IntArray  # (m,)
    quantity_mw: FloatArray  # (m,)
    price: FloatArray  # (m,) EUR/MWh
    bought_mw: dict[int, float]  # by direction, of the bids of all sellers


@dataclass(frozen=True, kw_only=True)
class OfferView:
    """Information of an aggregator when it bids for an ISP in one system: own resources, prices, rules.

    Arrays (n,) are read-only: direction (+1 up, -1 down), feasible MW, and cost in EUR/MWh with the sign rule
    of prices (an up bid is paid its price, a down bid pays it). `price_floor` and `price_cap` bound the
    prices of the product, EUR/MWh. `system` is T (transmission) or the id of an area. `stage` is first, or
    left for MW that a local market left. `book` is for strategies that declare it in `sees`; it is None
    before the first ISP is settled.

    >>> view = OfferView(
    ...     isp=0,
    ...     day_ahead_price=40.0,
    ...     direction=np.array([1, -1]),
    ...     quantity_mw=np.array([2.0, 3.0]),
    ...     cost=np.array([60.0, 30.0]),
    ...     system="D1",
    ... )
    >>> view.book
    Traceback (most recent call last):
    ...
    tandem_sim.grids.errors.WithheldError: reads the published book and does not declare 'book' in `sees`
    """

    isp: int
    day_ahead_price: float  # EUR/MWh
    direction: IntArray
    quantity_mw: FloatArray
    cost: FloatArray
    price_floor: float = -9999.0  # EUR/MWh, of the product
    price_cap: float = 9999.0
    system: str = ""
    stage: Stage = "first"
    sees: frozenset[str] = frozenset()
    published: PublishedBook | None = None  # read it as `book`

    @property
    def book(self) -> PublishedBook | None:
        """The last published book. Raises `WithheldError` for a strategy that has not declared it."""
        if BOOK not in self.sees:
            raise WithheldError(f"reads the published book and does not declare {BOOK!r} in `sees`")
        return self.published


@dataclass(frozen=True)
class Offers:
    """Prices (n,) in EUR/MWh and quantities (n,) in MW to bid, in the order of the view.

    `forwardable` (n,) is the consent, bid by bid, to forward MW left by a local market to the TSO; None: by
    the rules of the seller. Quantities lie between 0 and those of the view, prices within its floor and cap;
    other offers end in a `StrategyError` or truthful bids, as the scenario says (`strategy_fault`).

    >>> offers = Offers(price=np.array([65.0, 25.0]), quantity_mw=np.array([2.0, 1.5]))
    >>> offers.forwardable is None
    True
    """

    price: FloatArray
    quantity_mw: FloatArray
    forwardable: BoolArray | None = None


@dataclass(frozen=True, kw_only=True)
class SellerResult:
    """Result of the n offers of an ISP over all systems; arrays (n,): MW, EUR/h.

    A down bid that pays has received a negative amount. `cost_eur_per_h` is the cost of the MW sold; it is
    negative for a down bid that saves energy.

    >>> result = SellerResult(
    ...     isp=0,
    ...     direction=np.array([1, -1]),
    ...     offered_mw=np.array([2.0, 1.5]),
    ...     sold_mw=np.array([1.0, 0.0]),
    ...     received_eur_per_h=np.array([65.0, 0.0]),
    ...     cost_eur_per_h=np.array([60.0, 0.0]),
    ... )
    >>> result.profit_eur_per_h
    5.0
    """

    isp: int
    direction: IntArray
    offered_mw: FloatArray
    sold_mw: FloatArray
    received_eur_per_h: FloatArray
    cost_eur_per_h: FloatArray

    @property
    def profit_eur_per_h(self) -> float:
        """Received less cost, over all offers."""
        return float((self.received_eur_per_h - self.cost_eur_per_h).sum())


class Strategy(Protocol):
    """Turns views into offers. A second call for the same ISP and stage must return the same.

    `learns` says whether it needs results. A strategy may declare in an attribute ``sees`` which of
    `OPTIONAL_INPUTS` it uses, and may have the methods of `BaselineStrategy` and `SupplyStrategy`. It is a
    protocol: a class with these names is a strategy, whatever it is derived from. An exception that it raises
    becomes a `StrategyError` with the name of the strategy and its seller.

    >>> class Dearer:
    ...     learns = False
    ...
    ...     def offers(self, view: OfferView) -> Offers:
    ...         return Offers(view.cost + 5.0 * view.direction, view.quantity_mw)
    ...
    ...     def learn(self, outcome: SellerResult) -> None:
    ...         pass
    >>> view = OfferView(
    ...     isp=0,
    ...     day_ahead_price=40.0,
    ...     direction=np.array([1, -1]),
    ...     quantity_mw=np.array([2.0, 3.0]),
    ...     cost=np.array([60.0, 30.0]),
    ... )
    >>> Dearer().offers(view).price  # an up bid asks more, a down bid pays less
    array([65., 25.])
    """

    learns: bool

    def offers(self, view: OfferView) -> Offers:
        """Prices and quantities for the resources of the view."""
        ...

    def learn(self, outcome: SellerResult) -> None:
        """Learn from the result of an ISP; ISPs come in order."""
        ...


@runtime_checkable
class BaselineStrategy(Protocol):
    """A strategy that changes the baselines its seller declares.

    Arrays (g,) have one value for each group of resources of the seller, MW of injection: consumption is
    negative. The built-in strategy below declares 20 % of the MW offered upwards as additional consumption:

    >>> from tandem_sim import strategies
    >>> inflated = strategies()["baseline-inflation"](share=0.2)
    >>> isinstance(inflated, BaselineStrategy)
    True
    >>> inflated.declared_mw(np.array([-3.0]), np.array([1.0]))
    array([-3.2])
    """

    def declared_mw(self, baseline_mw: FloatArray, offered_up_mw: FloatArray) -> FloatArray:
        """Baselines (g,) to declare, MW of injection, from expected baselines and MW offered upwards."""
        ...


@runtime_checkable
class SupplyStrategy(Protocol):
    """A strategy that sets the offer price of a unit in the day-ahead market.

    >>> class Cheaper:
    ...     def supply_markup(self, isps: range) -> FloatArray:
    ...         return np.full(len(isps), -5.0)  # EUR/MWh below marginal cost in every ISP
    >>> isinstance(Cheaper(), SupplyStrategy)
    True
    >>> Cheaper().supply_markup(range(96)).shape
    (96,)
    """

    def supply_markup(self, isps: range) -> FloatArray:
        """Markup (len(isps),) on marginal cost, EUR/MWh; negative: the unit is scheduled more."""
        ...


_Answer = TypeVar("_Answer")
_Number = TypeVar("_Number", np.float64, np.bool_)


def declared_inputs(strategy: Any, name: str) -> frozenset[str]:
    """Optional inputs that a strategy declares in `sees`. Raises `StrategyError` for unknown ones."""
    declared = getattr(strategy, "sees", ())
    if not isinstance(declared, frozenset | set | tuple | list):
        raise StrategyError(f"{name}: sees is {declared!r}, not a set of {', '.join(OPTIONAL_INPUTS)}")
    sees = frozenset(declared)
    if unknown := sorted(map(str, sees - OPTIONAL_INPUTS)):
        raise StrategyError(
            f"{name}: sees {', '.join(unknown)}, and only {', '.join(OPTIONAL_INPUTS)} is available"
        )
    return sees


def checked(strategy: Strategy, view: OfferView, who: str, limit_s: float = LIMIT_S) -> Offers:
    """The offers of a strategy, checked. Raises a `StrategyError` that names it and its seller.

    Errors of a strategy are raised again under its name. A call may take `limit_s` seconds (0: no limit).
    """
    name = name_of(strategy, who, view.isp)
    for array in (view.direction, view.quantity_mw, view.cost):
        array.flags.writeable = False
    n = len(view.direction)
    found = call_strategy(lambda: _arrays(strategy.offers(view), n, name), name, "offers", limit_s)
    _check_offers(found, view, name)
    return found


def _arrays(found: Any, n: int, name: str) -> Offers:
    """Offers as new arrays (n,) of the right type, from any sequences that a strategy returns."""
    if not isinstance(found, Offers):
        raise StrategyError(f"{name}: answers {type(found).__name__} instead of Offers")
    consent = found.forwardable
    return Offers(
        vector(found.price, n, np.float64, f"{name}: prices have"),
        vector(found.quantity_mw, n, np.float64, f"{name}: quantities have"),
        None if consent is None else vector(consent, n, np.bool_, f"{name}: forwardable has"),
    )


def vector(given: Any, n: int, kind: type[_Number], what: str) -> NDArray[_Number]:
    """A new array (n,) from values of a strategy. Raises `StrategyError` for another shape, before a copy."""
    if (shape := _shape(given)) != (n,):
        raise StrategyError(f"{what} shape {shape}, expected ({n},)")
    return np.array(given, dtype=kind)


def _shape(given: Any) -> tuple[int, ...]:
    """The shape of an array or of sequences in sequences, by the first of the inner ones."""
    shape = getattr(given, "shape", None)
    if shape is not None:
        return tuple(shape)
    if isinstance(given, str | bytes) or not isinstance(given, Sized):
        return ()
    inner = (_shape(item) for item in given) if isinstance(given, list | tuple) else iter(())
    return (len(given), *next((found for found in inner if found), ()))


def name_of(strategy: Any, who: str, isp: int) -> str:
    """Name of a strategy in errors."""
    return f"strategy {type(strategy).__name__} of {who}, ISP {isp}"


def call_strategy(action: Callable[[], _Answer], name: str, method: str, limit_s: float) -> _Answer:
    """Call a method of a strategy; its errors are raised again as `StrategyError` under its name.

    Raises `StrategyLimitError` once it takes longer than `limit_s` seconds, if that is not 0 (see `within`).
    """
    try:  # code of users may raise anything
        return within(limit_s, action)
    except (StrategyError, KeyboardInterrupt):
        raise
    except OverdueError as error:
        raise StrategyLimitError(
            f"{name}: {method} takes more than {limit_s:g} s. "
            "Raise strategy_limit_s (0: no limit) if it needs more, and go on with --resume"
        ) from error
    except BaseException as error:
        raise StrategyError(f"{name}: {describe(error)}") from error


def _check_offers(found: Offers, view: OfferView, name: str) -> None:
    """Raise `StrategyError` for the first rule that an offer breaks."""
    if not len(view.direction):
        return
    over = found.quantity_mw - view.quantity_mw
    cheapest, dearest = found.price.min(), found.price.max()
    least, most_over = found.quantity_mw.min(), over.max()
    for what, low, high in (("prices", cheapest, dearest), ("quantities", least, most_over)):
        if not (isfinite(low) and isfinite(high)):  # nan anywhere makes both of them nan
            raise StrategyError(f"{name}: {what} must be finite numbers")
    if most_over > 1e-9:
        k = int(np.argmax(over))
        raise StrategyError(
            f"{name}: offers {found.quantity_mw[k]:g} MW of {view.quantity_mw[k]:g} MW that it owns"
        )
    if least < 0.0:
        raise StrategyError(f"{name}: offers a negative quantity")
    if cheapest < view.price_floor or dearest > view.price_cap:
        raise StrategyError(
            f"{name}: a price lies outside {view.price_floor:g} to {view.price_cap:g} EUR/MWh"
        )


class Truthful:
    """Bid all MW at cost."""

    learns = False

    def offers(self, view: OfferView) -> Offers:
        """The cost itself."""
        return Offers(view.cost, view.quantity_mw)

    def learn(self, outcome: SellerResult) -> None:
        """Nothing to learn."""


class BaselineInflation(Truthful):
    """Bid at cost and declare more consumption than expected, by a share of the MW offered upwards.

    This pays where deliveries are settled against the declared baseline.
    """

    def __init__(self, share: float = 0.2) -> None:
        if share < 0.0:
            raise ValueError(f"share {share} must not be negative")
        self._share = float(share)

    def declared_mw(self, baseline_mw: FloatArray, offered_up_mw: FloatArray) -> FloatArray:
        """Baselines (g,), lower injections than expected."""
        return np.asarray(baseline_mw - self._share * offered_up_mw)


class FixedMarkup:
    """Bid all MW with a markup in EUR/MWh: added upwards, subtracted downwards, within floor and cap."""

    learns = False

    def __init__(self, eur_per_mwh: float = 10.0) -> None:
        self._markup = float(eur_per_mwh)

    def offers(self, view: OfferView) -> Offers:
        """Cost and markup."""
        return Offers(marked_up(view, self._markup), view.quantity_mw)

    def learn(self, outcome: SellerResult) -> None:
        """Nothing to learn."""


class Withholding:
    """Bid at cost, and withhold a share of the available MW."""

    learns = False

    def __init__(self, share: float = 0.3) -> None:
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"share {share} must lie in 0..1")
        self._left = 1.0 - float(share)

    def offers(self, view: OfferView) -> Offers:
        """Cost, and the MW that are not withheld."""
        return Offers(view.cost, self._left * view.quantity_mw)

    def learn(self, outcome: SellerResult) -> None:
        """Nothing to learn."""


def marked_up(view: OfferView, eur_per_mwh: float) -> FloatArray:
    """Prices (n,) with a markup, added upwards and subtracted downwards, within floor and cap."""
    wanted = view.cost + view.direction * eur_per_mwh
    return np.asarray(np.clip(wanted, view.price_floor, view.price_cap))
