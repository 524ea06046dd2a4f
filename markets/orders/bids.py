"""Bids as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from tandem_sim.grids.types import BoolArray, FloatArray, IntArray

UP, DOWN = 1, -1
_COLUMNS = (
    "bid_id",
    "provider",
    "node",
    "direction",
    "quantity_mw",
    "price",
    "forwardable",
    "demand",
    "held_mw",
)
StrArray = npt.NDArray[np.str_]
_NOWHERE: IntArray = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class Bids:
    """One book of bids, n of them, all in one system (transmission, or one DSO's area) for one ISP.

    Prices follow the sign rule: an up bid costs the buyer ``+price`` per MWh, a down bid ``-price``. Offers
    of reactive power are a separate book, in Mvar and without that rule: see
    `tandem_sim.markets.auctions.reactive_power`. Raises ValueError for columns of different length.
    """

    bid_id: StrArray  # (n,) unique
    provider: StrArray  # (n,)
    node: IntArray  # (n,) node of the system's network
    direction: IntArray  # (n,) +1 up, -1 down
    quantity_mw: FloatArray  # (n,) > 0
    price: FloatArray  # (n,) EUR/MWh
    forwardable: BoolArray = field(
        default_factory=lambda: np.empty(0, dtype=bool)
    )  # (n,) consent to pass on a remainder
    demand: BoolArray = field(default_factory=lambda: np.empty(0, dtype=bool))  # (n,) see `Bids.of`
    held_mw: FloatArray = field(default_factory=lambda: np.empty(0))  # (n,) held for the automatic reserve

    def __post_init__(self) -> None:
        if not len(self.forwardable) and len(self.bid_id):
            object.__setattr__(self, "forwardable", np.ones(len(self.bid_id), dtype=bool))
        if not len(self.demand) and len(self.bid_id):
            object.__setattr__(self, "demand", np.zeros(len(self.bid_id), dtype=bool))
        if not len(self.held_mw) and len(self.bid_id):
            object.__setattr__(self, "held_mw", np.zeros(len(self.bid_id)))
        for name in _COLUMNS:
            array = getattr(self, name)
            if len(array) != len(self.bid_id):
                raise ValueError(f"Bids.{name} has {len(array)} entries for {len(self.bid_id)} bids")
            array.flags.writeable = False

    def __len__(self) -> int:
        return len(self.bid_id)

    @property
    def signed_price(self) -> FloatArray:
        """Payment of the buyer per MWh activated (n,), EUR/MWh."""
        return np.asarray(self.direction * self.price)

    @cached_property
    def places(self) -> dict[str, IntArray]:
        """Positions of the bids of each provider in the book, in its order; providers by name."""
        return self.by_provider(np.arange(len(self)))

    def by_provider(self, places: IntArray) -> dict[str, IntArray]:
        """Positions in the book (k,) grouped by provider, in the order given; providers by name."""
        if not len(places):
            return {}
        owner = self.provider[places]
        firsts = [0, *((owner[1:] != owner[:-1]).nonzero()[0] + 1).tolist()]
        runs: dict[str, list[IntArray]] = {}  # in a book sorted by bid id mostly one each
        for name, first, last in zip(owner[firsts].tolist(), firsts, [*firsts[1:], None], strict=True):
            runs.setdefault(name, []).append(places[first:last])
        return {name: np.concatenate(runs[name]) for name in sorted(runs)}

    def places_of(self, provider: str) -> IntArray:
        """Positions of the bids of one provider; empty if it has none."""
        return self.places.get(provider, _NOWHERE)

    def injection_mw(self, activated_mw: FloatArray, n_nodes: int) -> FloatArray:
        """Change of injection per node (n_nodes,) MW for activation `activated_mw` (n,) of the bids."""
        return np.bincount(self.node, weights=self.direction * activated_mw, minlength=n_nodes).astype(
            np.float64
        )

    def offering(
        self, keep: IntArray, quantity_mw: FloatArray, price: FloatArray, forwardable: BoolArray
    ) -> Bids:
        """The bids at k positions with other quantities, prices and consents, (k,) each and not copied."""
        who, where = (self.bid_id[keep], self.provider[keep]), (self.node[keep], self.direction[keep])
        rest = quantity_mw, price, forwardable, self.demand[keep], self.held_mw[keep]
        return _book((*who, *where, *rest))

    def pick(self, keep: BoolArray | IntArray) -> Bids:
        """The bids selected by a mask or by positions."""
        return _book([getattr(self, name)[keep] for name in _COLUMNS])

    @classmethod
    @cache
    def empty(cls) -> Bids:
        """An empty book. The same object for all, because its arrays are read-only."""
        return cls.of([], [], [], [], [], [])

    @classmethod
    def of(
        cls,
        bid_id: Sequence[str] | StrArray,
        provider: Sequence[str] | StrArray,
        node: Sequence[int] | IntArray,
        direction: Sequence[int] | IntArray,
        quantity_mw: Sequence[float] | FloatArray,
        price: Sequence[float] | FloatArray,
        demand: Sequence[bool] | BoolArray = (),
    ) -> Bids:
        """Build a book from any sequences (copied).

        A bid marked `demand` is a bid of a company to buy flexibility. A buyer of `x` MW up withdraws `x` MW
        from the system for at most `price`: physically and financially this equals an offer of `x` MW down at
        that price. So its `direction` here is the opposite of what it buys, and no rule of the book needs a
        second case.
        """
        return cls(
            bid_id=np.array(bid_id, dtype=np.str_),
            provider=np.array(provider, dtype=np.str_),
            node=np.array(node, dtype=np.int64),
            direction=np.array(direction, dtype=np.int64),
            quantity_mw=np.array(quantity_mw, dtype=np.float64),
            price=np.array(price, dtype=np.float64),
            demand=np.array(demand, dtype=bool),
        )

    @classmethod
    def join(cls, books: Sequence[Bids]) -> Bids:
        """Several books of one system as one, in the order given."""
        if not books:
            return cls.empty()
        return _book([np.concatenate([getattr(b, name) for b in books]) for name in _COLUMNS])


def _book(columns: Sequence[npt.NDArray[Any]]) -> Bids:
    """A book from columns in the order of `_COLUMNS`; they come from other books and are not checked."""
    book = object.__new__(Bids)
    for column in columns:
        column.flags.writeable = False
    vars(book).update(zip(_COLUMNS, columns, strict=True))
    return book
