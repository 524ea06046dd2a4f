"""What the fleet asks of a class of device: the protocol ``DeviceGroup``, and how a class is declared.

A class of device is one module in ``tandem_sim.agents.devices.classes`` and one entry in its registry. The
module declares a ``DeviceClass``: its name, who owns such a device, its rated power, the parameters that a
scenario may set, and how a ``DeviceGroup`` is built. A ``DeviceGroup`` has the physics of all devices of the
class in a fleet, vectorised: one array element per member, no loops over members.

Common to all: power is injection in kW (positive: feeds in; negative: consumes), energy in kWh at the meter,
an ISP has a fixed length in hours. A member is one device. Members of PV are sums of PV that share a group, a
connection and a profile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from tandem_sim.agents.devices.population import DeviceSettings, Households, Population
from tandem_sim.agents.devices.profile_window import Window
from tandem_sim.grids.tolerances import SUM_ROUNDING_SHARE
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray

Behind = Sequence[tuple[IntArray, FloatArray]]
"""Consuming devices behind storage, class by class: members of storage (n,), and baselines (n,) kW."""
Limits = tuple[FloatArray, FloatArray]
"""Lowest and highest injection of members (M,), kW."""
Prices = tuple[FloatArray, FloatArray]
"""Cost of up and saving of down of members (M,), EUR/MWh."""
State = TypeVar("State")
Reading = TypeVar("Reading")
GENERATION, STORAGE, DEMAND = 0, 1, 2
"""Part of a class in a household: what is curtailed last, what follows the surplus, what consumes."""


class DeviceGroup(Protocol[State, Reading]):
    """All M members of one class in a fleet.

    ``state`` is what changes from ISP to ISP, a frozen dataclass of arrays (M,). ``reading`` is what an ISP
    brings whatever the state is: measured profiles, arrivals, draw-off. Both are the class's own types. All
    methods are functions of their arguments; none changes an array that it was given.
    """

    member_group: IntArray
    """(M,) group of the fleet to which a member belongs."""
    member_connection: IntArray
    """(M,) connection of a member, C for none."""

    def start(self, isp: int) -> State:
        """State before a burn-in that begins with ``isp``."""
        ...

    def open_accounts(self, state: State) -> State:
        """The state with its energy accounts begun anew."""
        return state

    def read(self, isp: int) -> Reading:
        """What an ISP brings."""
        ...

    def arrive(self, state: State, reading: Reading) -> State:
        """The state at the beginning of an ISP: what arrives, and what leaves."""
        return state

    def baseline(self, state: State, reading: Reading, behind: Behind) -> FloatArray:
        """Power without activation (M,) kW.

        ``behind``: for storage, the baselines of the consuming devices in its household; empty for others.
        """
        ...

    def feasible_range(self, state: State, reading: Reading, base_kw: FloatArray, isps: int) -> Limits:
        """Lowest and highest injection that can be ordered, always around ``base_kw`` (M,).

        With ``isps`` 1 it is the physical bound of the coming ISP. With more it is what a member can sustain
        for so many ISPs in a row. Offers use that bound, because bids for later ISPs are made before earlier
        ISPs are delivered.
        """
        ...

    def move(
        self, state: State, reading: Reading, power_kw: FloatArray, forgone_kw: FloatArray | None
    ) -> State:
        """The state after an ISP at injection ``power_kw`` (M,).

        ``forgone_kw`` (M,): consumption that the limits of a connection withheld beyond the feasible range;
        None without limits.
        """
        ...

    def cost(
        self, state: State, reading: Reading, base_kw: FloatArray, feasible: Limits, energy_value: float
    ) -> Prices:
        """Cost of up and saving of down (M,) EUR/MWh, over the range ``feasible`` around ``base_kw``.

        ``energy_value`` (EUR/MWh) is what energy is worth to a household.
        """
        ...

    def rebound_kwh(self, state: State) -> FloatArray:
        """Energy (M,) kWh at the meter that members take back later to return to rest; negative: saved.

        At rest a battery and an EV are full, and a building and a tank have the temperature of their
        thermostat.
        """
        ...

    def most_rebound_kwh(self) -> FloatArray:
        """Bound (M,) on the size of ``rebound_kwh`` that no order can exceed; inf where there is none."""
        ...

    def checks(self, state: State) -> Mapping[str, FloatArray]:
        """Physical invariants by name, kWh or K: above zero where one is broken."""
        return {}

    def swing_kw(self) -> Limits:
        """Largest change of power of members (M,) kW: up, and down."""
        ...

    def inverter_kw(self) -> FloatArray:
        """Rated power of the inverter of members (M,) kW, 0 for those without one."""
        return np.zeros(len(self.member_group))

    def measures(self, before: State, after: State) -> tuple[float, ...]:
        """Values of an ISP for the columns that the class declares, in their order."""
        return ()

    def lost_kwh(self, before: State, after: State) -> float:
        """Energy that limits of connections took from members for good in an ISP, kWh."""
        return 0.0

    def profile(self) -> DeviceProfile | None:
        """Consumption or generation by the profiles alone, without simulation; None for storage."""
        ...


class DeviceProfile(NamedTuple):
    """Energy by profiles: the value at ``places`` (n,) of the window times ``kw`` (n,), of ``member`` (n,).

    Positive for PV generation and for consumption. With ``sessions`` the values are the energies of sessions
    that begin, in hours at rated power, and not powers.
    """

    places: IntArray
    kw: FloatArray
    member: IntArray
    sessions: bool = False


class StateColumn(NamedTuple):
    """A column of table ``system`` that a class fills: ``DeviceGroup.measures``; 0 without such devices."""

    name: str
    meaning: str
    unit: str | None = None  # None: as the end of the name says


@dataclass(frozen=True, kw_only=True)
class Premises:
    """What a class needs to build its group: the households that own such a device, and where they are.

    owners (M,): numbers of households. group (M,): group of the fleet of each. connection (H,): connection of
    every household, ``n_connections`` for none. load_at, load_kw (H,): inflexible load, as places in the
    window and kW. plug_in_isp, plug_in_kwh (H,): simultaneous EV plug-in, -1 and 0 for none. first_hour: hour
    of the day at which ISP 0 starts, in UTC + 1 h.
    """

    population: Population
    homes: Households
    window: Window
    hours: float
    first_hour: float
    owners: IntArray
    group: IntArray
    connection: IntArray
    n_connections: int
    load_at: IntArray
    load_kw: FloatArray
    plug_in_isp: IntArray
    plug_in_kwh: FloatArray

    @property
    def member_connection(self) -> IntArray:
        """Connection of every owner (M,)."""
        return self.connection[self.owners]


class Parameter(NamedTuple):
    """A quantity of a device that is drawn uniformly from a range of the scenario, or given by a table.

    ``column``: number of the random number that decides it, see ``population.COLUMNS``. ``limits`` are
    accepted, ``usual`` are not reported.
    """

    name: str
    meaning: str
    unit: str
    limits: tuple[float, float]
    default: tuple[float, float]
    usual: tuple[float, float]
    column: int


@dataclass(frozen=True, kw_only=True, eq=False)
class DeviceClass:
    """A class of device as the registry lists it.

    name: as in tables and bid ids. title: plural, for readers. part: GENERATION, STORAGE or DEMAND. owned:
    which households (H,) have one. rated_kw: rated power by household (H,). build: the group of a fleet.
    columns: what it adds to table ``system``.

    Classes whose parameters the scenario has in ``population.devices`` give: share: what its share means;
    share_column: the random number that decides who has one; parameters: its ranges, the first of which is a
    size that is 0 in a table for households without the device; numbers: random numbers in 0..1, by name with
    their columns, for what no parameter decides. replaces: name of the class of which it takes the place in a
    household. feed_in_kw: power (H,) at which it may feed in, for the phases of a connection
    (``Households.phases`` counts PV and batteries).
    """

    name: str
    title: str
    part: int
    owned: Callable[[Households], BoolArray]
    rated_kw: Callable[[Households], FloatArray]
    build: Callable[[Premises], DeviceGroup[Any, Any]]
    columns: tuple[StateColumn, ...] = ()
    feed_in_kw: Callable[[Households], FloatArray] | None = None
    share: str = ""
    share_column: int = 0
    parameters: tuple[Parameter, ...] = ()
    numbers: Mapping[str, int] = field(default_factory=dict)
    replaces: str = ""

    def settings(self, share: float, **ranges: tuple[float, float]) -> DeviceSettings:
        """A share of owners and ranges of the parameters, for ``Population.devices``; defaults elsewhere."""
        unknown = set(ranges) - {p.name for p in self.parameters}
        if unknown:
            raise ValueError(f"{self.name} has no {', '.join(sorted(unknown))}")
        given = [(p.name, ranges.get(p.name, p.default), p.column) for p in self.parameters]
        others = [(name, (0.0, 1.0), column) for name, column in self.numbers.items()]
        return DeviceSettings(self.name, share, self.share_column, (*given, *others))


def arrays_of(name: str, state: Any) -> dict[str, FloatArray]:
    """Arrays of a state, by the name of its class and of the field."""
    return {f"{name}_{f.name}": getattr(state, f.name) for f in fields(state)}


def with_arrays(name: str, state: Any, arrays: Mapping[str, FloatArray]) -> Any:
    """A state with the arrays of ``arrays_of``. Raises ValueError for an array of another shape."""
    found: dict[str, Any] = {}
    for key, now in arrays_of(name, state).items():
        if np.shape(arrays[key]) != now.shape:
            raise ValueError(f"snapshot {key} has shape {np.shape(arrays[key])}, fleet {now.shape}")
        found[key.removeprefix(f"{name}_")] = np.array(arrays[key]).astype(now.dtype)
    return replace(state, **found)


def joined(parts: Sequence[FloatArray]) -> FloatArray:
    """Arrays of several classes as one; the empty array for none."""
    return np.concatenate(parts) if parts else np.empty(0)


def total(index: IntArray, values: FloatArray, n: int) -> FloatArray:
    """Sum ``values`` by ``index`` into n places."""
    # With an empty index numpy counts in integers even though weights are given.
    return np.bincount(index, values, n).astype(np.float64, copy=False)


def summed(
    first: IntArray, second: IntArray, *weights: FloatArray
) -> tuple[IntArray, IntArray, list[FloatArray]]:
    """Sum weights over equal (first, second) pairs; return the distinct pairs and their sums."""
    pairs, where = np.unique(np.column_stack([first, second]), axis=0, return_inverse=True)
    sums = [np.bincount(where.ravel(), w, len(pairs)).astype(np.float64) for w in weights]
    return pairs[:, 0].copy(), pairs[:, 1].copy(), sums


def spread(wanted_kw: FloatArray, group: IntArray, offer_kw: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Share the order of each group among its devices, in proportion to their offers.

    ``wanted_kw`` (G,) >= 0; ``group`` (M,) index into it; ``offer_kw`` (M,) >= 0. Returns the devices' shares
    (M,), with group sums ``min(wanted, offered)``, and the rest of each group's order (G,).
    """
    groups = len(wanted_kw)
    offered = np.bincount(group, offer_kw, groups)
    part = np.divide(wanted_kw, offered, out=np.ones(groups), where=offered > wanted_kw)
    shared: FloatArray = offer_kw * part[group]
    # An offer and an order for all of it differ by rounding: that is not a rest.
    wanting = wanted_kw > offered * (1.0 + SUM_ROUNDING_SHARE)
    return shared, np.where(wanting, wanted_kw - offered, 0.0)
