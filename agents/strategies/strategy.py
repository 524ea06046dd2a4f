"""Bidding strategies: from what a resource can do and what it costs, to an offer. They see nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sized
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tandem_sim.agents.strategies.allowed_code import told
from tandem_sim.agents.strategies.time_limit import LIMIT_S, within
from tandem_sim.grids.errors import OverdueError, StrategyError, StrategyLimitError, WithheldError
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray

Stage = Literal["first", "left"]
"""When a price is asked for: with the first offer, or for what a local market left and the TSO's may take."""
BOOK = "book"
SIGHTS = frozenset({BOOK})
"""What a strategy may ask to see beside its own resources, prices and rules."""


@dataclass(frozen=True, kw_only=True)
class PublishedBook:
    """The bids of all other sellers in one system for the last ISP that was settled, nameless, m of them.

    Balancing markets publish offers, anonymised, soon after delivery (Regulation (EU) 2017/2195, art. 12).
    """

    isp: int
    direction: IntArray  # (m,)
    quantity_mw: FloatArray  # (m,)
    price: FloatArray  # (m,) EUR/MWh
    bought_mw: dict[int, float]  # by direction, of everybody's bids


@dataclass(frozen=True, kw_only=True)
class OfferView:
    """What an aggregator knows when it bids for an ISP in one system: its own resources, prices, the rules.

    Arrays (n,) are read-only: direction (+1 up, -1 down), feasible MW, and cost in EUR/MWh with the sign rule
    of prices (an up bid is paid its price, a down bid pays it). `book` is there for strategies that declare
    it in `sees`, None before the first ISP is settled.
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
    """What is bid: prices (n,) in EUR/MWh and quantities (n,) in MW, in the order of the view.

    `forwardable` (n,) consents, bid by bid, to pass on to the TSO what a local market leaves; None leaves it
    to the rules of the seller.
    """

    price: FloatArray
    quantity_mw: FloatArray
    forwardable: BoolArray | None = None


@dataclass(frozen=True, kw_only=True)
class SellerResult:
    """What became of all offers of an ISP, n of them over all systems: direction, MW sold, EUR/h received.

    A down bid that pays has received less than nothing. `cost` is what the MW sold cost at home, EUR/h.
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
    """Turns views into offers. Asked again about an ISP and stage, it answers the same.

    `learns` says whether it wants to hear outcomes. A strategy may declare in an attribute ``sees`` what it
    looks at beside its own resources (of `SIGHTS`), and may have the methods of `BaselineStrategy` and
    `SupplyStrategy`.
    """

    learns: bool

    def offers(self, view: OfferView) -> Offers:
        """Prices and quantities of what the view holds."""
        ...

    def learn(self, outcome: SellerResult) -> None:
        """Hear what became of an ISP's offers, in the order of ISPs."""
        ...


@runtime_checkable
class BaselineStrategy(Protocol):
    """A strategy that has a say in the baselines its seller declares."""

    def declared_mw(self, baseline_mw: FloatArray, offered_up_mw: FloatArray) -> FloatArray:
        """Baselines (g,) declared, MW of injection, from those expected and what is offered upwards."""
        ...


@runtime_checkable
class SupplyStrategy(Protocol):
    """A strategy that has a say in what a unit asks for in the day-ahead market."""

    def supply_markup(self, isps: range) -> FloatArray:
        """EUR/MWh (len(isps),) asked above marginal cost; negative to be scheduled more."""
        ...


_Answer = TypeVar("_Answer")
_Number = TypeVar("_Number", np.float64, np.bool_)


def sights_of(strategy: Any, name: str) -> frozenset[str]:
    """What a strategy declares that it looks at. Raises `StrategyError` for what nobody may see."""
    declared = getattr(strategy, "sees", ())
    if not isinstance(declared, frozenset | set | tuple | list):
        raise StrategyError(f"{name}: sees is {declared!r}, not a set of {', '.join(SIGHTS)}")
    sees = frozenset(declared)
    if stranger := sorted(map(str, sees - SIGHTS)):
        raise StrategyError(f"{name}: wants to see {', '.join(stranger)}; all it may is {', '.join(SIGHTS)}")
    return sees


def checked(strategy: Strategy, view: OfferView, who: str, limit_s: float = LIMIT_S) -> Offers:
    """The offers of a strategy, or a `StrategyError` that names it and its user.

    Whatever a strategy raises is passed on under that name; it may take `limit_s` seconds (0: any time).
    """
    name = name_of(strategy, who, view.isp)
    for array in (view.direction, view.quantity_mw, view.cost):
        array.flags.writeable = False
    n = len(view.direction)
    found = asked(lambda: _arrays(strategy.offers(view), n, name), name, "offers", limit_s)
    _may_be_offered(found, view, name)
    return found


def _arrays(found: Any, n: int, name: str) -> Offers:
    """Offers of n numbers as arrays of the right kind, whatever sequences a strategy has given.

    Its own stay its own.
    """
    if not isinstance(found, Offers):
        raise StrategyError(f"{name}: answers {type(found).__name__} instead of Offers")
    consent = found.forwardable
    return Offers(
        vector(found.price, n, np.float64, f"{name}: prices have"),
        vector(found.quantity_mw, n, np.float64, f"{name}: quantities have"),
        None if consent is None else vector(consent, n, np.bool_, f"{name}: forwardable has"),
    )


def vector(given: Any, n: int, kind: type[_Number], what: str) -> NDArray[_Number]:
    """A new array (n,) of what a strategy gives; a `StrategyError` for another shape, ahead of any copy."""
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
    """How errors call a strategy."""
    return f"strategy {type(strategy).__name__} of {who}, ISP {isp}"


def asked(question: Callable[[], _Answer], name: str, method: str, limit_s: float) -> _Answer:
    """What a strategy answers by a method; whatever it raises is passed on under its name.

    Raises `StrategyLimitError` once it takes longer than `limit_s` seconds, if that is not 0 (see `within`).
    """
    try:  # a user's code may raise anything: it is named, and raised on
        return within(limit_s, question)
    except (StrategyError, KeyboardInterrupt):
        raise
    except OverdueError as error:
        raise StrategyLimitError(
            f"{name}: {method} takes more than {limit_s:g} s. "
            "Raise strategy_limit_s (0: no limit) if it needs more, and go on with --resume"
        ) from error
    except BaseException as error:
        raise StrategyError(f"{name}: {told(error)}") from error


def _may_be_offered(found: Offers, view: OfferView, name: str) -> None:
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
    """Bid everything at cost."""

    learns = False

    def offers(self, view: OfferView) -> Offers:
        """The cost itself."""
        return Offers(view.cost, view.quantity_mw)

    def learn(self, outcome: SellerResult) -> None:
        """Nothing to learn."""


class BaselineInflation(Truthful):
    """Bid the truth and declare more consumption than is expected, by a share of what is offered upwards.

    It pays where the declared baseline settles: less consumption is then seen as delivered.
    """

    def __init__(self, share: float = 0.2) -> None:
        if share < 0.0:
            raise ValueError(f"share {share} must not be negative")
        self._share = float(share)

    def declared_mw(self, baseline_mw: FloatArray, offered_up_mw: FloatArray) -> FloatArray:
        """Baselines (g,), lower injections than expected."""
        return np.asarray(baseline_mw - self._share * offered_up_mw)


class FixedMarkup:
    """Bid everything with a markup: up dearer, down cheaper, by so many EUR/MWh, within floor and cap."""

    learns = False

    def __init__(self, eur_per_mwh: float = 10.0) -> None:
        self._markup = float(eur_per_mwh)

    def offers(self, view: OfferView) -> Offers:
        """Cost and markup."""
        return Offers(marked_up(view, self._markup), view.quantity_mw)

    def learn(self, outcome: SellerResult) -> None:
        """Nothing to learn."""


class Withholding:
    """Bid at cost, but keep a share of what could be offered from the market."""

    learns = False

    def __init__(self, share: float = 0.3) -> None:
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"share {share} must lie in 0..1")
        self._left = 1.0 - float(share)

    def offers(self, view: OfferView) -> Offers:
        """Cost, and what is not withheld."""
        return Offers(view.cost, self._left * view.quantity_mw)

    def learn(self, outcome: SellerResult) -> None:
        """Nothing to learn."""


def marked_up(view: OfferView, eur_per_mwh: float) -> FloatArray:
    """Prices (n,) with a markup: up dearer, down cheaper, within floor and cap."""
    wanted = view.cost + view.direction * eur_per_mwh
    return np.asarray(np.clip(wanted, view.price_floor, view.price_cap))
