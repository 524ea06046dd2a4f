"""What an operator knows of one ISP: a frozen dataclass per area, one for transmission, typed entry by entry.

An entry that is not known is not there: reading it raises `UnknownEntryError`, which names the entry, the
system and the ISP. So an entry has one type, and nobody tests for None. Whether an entry is known yet is
asked with `Known.knows`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self, TypeVar

from tandem_sim.grids.errors import UnknownEntryError
from tandem_sim.grids.power_flow.ac_limits import AcLimits
from tandem_sim.grids.power_flow.constraints import GridConstraints
from tandem_sim.grids.power_flow.dc import TransmissionGrid
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.clearing.auction import Cleared
from tandem_sim.markets.coordination.entries import (
    BoundaryFlow,
    Entry,
    Forecast,
    PowerFlowRows,
    Qualified,
    ResidualSupply,
    Target,
)
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.orders.zones import Zones

TSO = "T"
"""Name of the transmission system and of its operator."""

_LABELS = ("system", "isp", "reader")
_NOT_KNOWN = object()


def not_known() -> Any:
    """The default of an entry: for fields of `AreaState`, `SystemState` and their subclasses."""
    return _NOT_KNOWN


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Known:
    """What is known of one system in one ISP. Fields are entries; those that are not known are not there."""

    prefix: ClassVar[str]
    """Owner in the full name of an entry, with its dot: ``area.`` or ``tso.``."""

    system: str = ""
    """Name of the area, or `TSO`. Empty in a part that is still to be merged into a state."""
    isp: int | None = None
    """The ISP, from 0. None in one-shot clearing."""
    reader: str = ""
    """Name of the block whose view this is. Empty in a state."""

    bids: Bids = field(default_factory=not_known)
    """The closed order book: n bids with node, direction, MW >= 0 and EUR/MWh each."""
    sold: FloatArray = field(default_factory=not_known)
    """MW booked of each bid over all markets so far, (n,), >= 0."""

    def __post_init__(self) -> None:
        known = self.__dict__
        for name in [name for name, value in known.items() if value is _NOT_KNOWN]:
            del known[name]

    if not TYPE_CHECKING:  # hidden from it, so that it still finds names that are no entries

        def __getattr__(self, name: str) -> NoReturn:
            """Raise the error of an entry that is not known; reached only where there is no value."""
            if name not in self.entry_names():
                raise AttributeError(f"{type(self).__name__} has no entry {name}")
            what = f"{self.prefix}{name} of {self.system or 'an unnamed system'}"
            if self.reader:
                raise UnknownEntryError(f"block {self.reader} reads {what} without declaring it")
            when = "" if self.isp is None else f" in ISP {self.isp}"
            raise UnknownEntryError(f"{what} is not known{when}")

    def __repr__(self) -> str:
        """The system, the ISP, and the names of the known entries."""
        known = ", ".join(self.entries()) or "nothing"
        return f"{type(self).__name__}({self.system}, ISP {self.isp}: {known})"

    @classmethod
    def entry_names(cls) -> frozenset[str]:
        """Names of all entries that the class can hold."""
        return frozenset(f.name for f in fields(cls)) - set(_LABELS)

    def knows(self, name: str) -> bool:
        """Whether an entry is known."""
        return name in self.__dict__

    def entries(self) -> dict[str, Entry]:
        """The known entries by name."""
        return {name: value for name, value in self.__dict__.items() if name not in _LABELS}

    def updated(self, state: Known) -> Self:
        """What is known here and in `state`, whose entries replace those known here."""
        kind = type(state) if isinstance(state, type(self)) else type(self)
        return _state(kind, {**self.__dict__, **state.entries()})

    def completed(self, defaults: Known) -> Self:
        """The state with those entries of `defaults` that it does not know."""
        return _state(type(self), {**defaults.entries(), **self.__dict__})

    def part(self, names: Iterable[str]) -> Self:
        """The entries among `names` that are known."""
        known = self.__dict__
        values = {name: known[name] for name in (*_LABELS, *names) if name in known}
        return _state(type(self), values)

    def view(self, names: Iterable[str], reader: str) -> Self:
        """The view of block `reader`: entries `names`. Raises `UnknownEntryError` where one is missing."""
        values: dict[str, Entry | str | int | None] = {
            "system": self.system,
            "isp": self.isp,
            "reader": reader,
        }
        for name in names:
            values[name] = getattr(self, name)
        return _state(type(self), values)


_K = TypeVar("_K", bound=Known)


def _state(kind: type[_K], values: Mapping[str, Entry | str | int | None]) -> _K:
    """A state out of labels and known entries."""
    made = object.__new__(kind)
    made.__dict__.update(values)
    return made


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AreaState(Known):
    """What is known of one area: n bids in its book, m offers of reactive power, N nodes of its grid."""

    prefix: ClassVar[str] = "area."

    grid: GridConstraints = field(default_factory=not_known)
    """Linear constraints: sensitivities, present state and limits of branches (MW) and voltages (p.u.
    squared), narrowed by the DSO's margins."""
    offers: FloatArray = field(default_factory=not_known)
    """MW of each bid that the TSO's market may take, (n,), >= 0."""
    exchange: float = field(default_factory=not_known)
    """Change of the area's net injection by its local market, MW, injection positive."""
    local: Cleared = field(default_factory=not_known)
    """Result of the local market: MW of each bid (n,), cost in EUR/h, prices in EUR/MWh."""
    forecast: Forecast = field(default_factory=not_known)
    """Expected injections without activation: (N,) MW and (N,) Mvar, injection positive."""
    scheduled: BoundaryFlow = field(default_factory=not_known)
    """Flow from transmission into the area, MW: scheduled, and expected now."""
    power_flow: PowerFlowRows = field(default_factory=not_known)
    """Constraints around the AC power flow after a change of injections (N,) MW; None without a solution."""
    ac_limits: AcLimits = field(default_factory=not_known)
    """Limits of currents and voltages in the AC power flow around the forecast."""
    zones: Zones = field(default_factory=not_known)
    """Result of the last network flexibility study: nodes at which bids of a direction may be sold."""
    qualified: Qualified = field(default_factory=not_known)
    """By direction, the MW offered to the TSO and of that the MW that grid prequalification allows."""
    reactive_bids: Bids = field(default_factory=not_known)
    """The closed book of reactive power: m offers in Mvar >= 0 and EUR/Mvarh."""
    reactive_mvar: FloatArray = field(default_factory=not_known)
    """Mvar that the DSO has bought of each offer, (m,), >= 0."""
    mitigated: tuple[str, ...] = field(default_factory=not_known)
    """Pivotal sellers whose prices the local market has limited to the reference."""
    called: FloatArray = field(default_factory=not_known)
    """MW that the TSO would call of each bid by its merit order list, (n,), >= 0."""
    accepted: bool = field(default_factory=not_known)
    """Whether the DSO accepts the merit order list."""
    rsf: ResidualSupply = field(default_factory=not_known)
    """Residual supply function: change of the area's net injection (MW, injection positive) and its least
    cost (EUR/h), point by point."""
    target: Target = field(default_factory=not_known)
    """Change of net injection that the TSO buys from the area as a whole, MW, injection positive."""
    boundary: float = field(default_factory=not_known)
    """Flow from transmission into the area to which the DSO has committed, MW."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SystemState(Known):
    """What is known of transmission: n bids in its book."""

    prefix: ClassVar[str] = "tso."

    grid: TransmissionGrid = field(default_factory=not_known)
    """DC model, injections (N,) MW expected without activation, and the expected flow into each area (MW)."""
    balancing: Cleared = field(default_factory=not_known)
    """Result of the TSO's market over all its books: MW, cost in EUR/h, balance price in EUR/MWh."""
    need: float = field(default_factory=not_known)
    """Imbalance that the TSO's market was to serve, MW, up positive."""


class OperatorState:
    """What one operator knows of one ISP: of its own system, and of others what they share with it.

    A one-shot clearing has one for all operators, and shows each block no more than it declares.
    """

    def __init__(self, isp: int | None = None) -> None:
        self.isp = isp
        self.tso = SystemState(system=TSO, isp=isp)
        self.areas: dict[str, AreaState] = {}
        self._systems: dict[str, None] = {}  # in the order in which they became known

    def __iter__(self) -> Iterator[str]:
        """Names of the systems of which something is known, in the order in which they became known."""
        return iter(self._systems)

    def __len__(self) -> int:
        return len(self._systems)

    def of(self, system: str) -> AreaState | SystemState:
        """What is known of a system; without a single entry if it is nothing."""
        return self.tso if system == TSO else self.area(system)

    def area(self, name: str) -> AreaState:
        """What is known of an area; without a single entry if it is nothing."""
        return self.areas.get(name) or AreaState(system=name, isp=self.isp)

    def update(self, system: str, state: AreaState | SystemState) -> None:
        """Store the known entries of `state` in what is known of a system."""
        self._systems.setdefault(system)
        if isinstance(state, SystemState):
            self.tso = self.tso.updated(state)
        else:
            self.areas[system] = self.area(system).updated(state)

    def complete(self, system: str, defaults: AreaState | SystemState) -> None:
        """Store those entries of `defaults` that are not known of a system."""
        self.update(system, defaults.updated(self.of(system)))

    def book_sold(self, system: str, sold_mw: FloatArray) -> None:
        """Store the MW booked of each bid of a system (n,)."""
        self.update(system, SystemState(sold=sold_mw) if system == TSO else AreaState(sold=sold_mw))

    def books(self) -> dict[str, Bids]:
        """The order books that are known, by system."""
        return {system: self.of(system).bids for system in self if self.of(system).knows("bids")}

    def copy(self) -> OperatorState:
        """The same states, which can be updated on their own."""
        twin = OperatorState(self.isp)
        twin.tso, twin.areas, twin._systems = self.tso, dict(self.areas), dict(self._systems)
        return twin
