"""A fleet of households: all state in arrays, one vectorised pass per ISP.

Flexibility is offered and activated per **group**: the devices of one class (``DEVICES``) of one aggregator
at one site (a grid bus or an LV feeder). Where a network flexibility study is made, a group also has one
study status. An order is spread over the devices of a group in proportion to their offers.

The baseline of an ISP is the behaviour of the fleet in that ISP from its present state, without activation.
Rebounds are therefore part of later baselines: a delayed EV, a discharged battery or a cooled building takes
its energy back later. A battery follows the surplus that its household has *without activation*, so that the
activation of another device reaches the grid and is not absorbed behind the meter.

``lookahead`` and ``baseline_ahead`` use the same profiles, EV sessions included, as ``step``. Callers add
forecast errors.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from tandem_sim.agents.devices.connection_limits import (
    ConnectionLimits,
    Connections,
    LvConnections,
    PermanentLimits,
)
from tandem_sim.agents.devices.device import arrays_of, total, with_arrays
from tandem_sim.agents.devices.population import Households, Population
from tandem_sim.agents.devices.study_view import StudyTerms
from tandem_sim.agents.households.connection_offers import feasible_range, offers
from tandem_sim.agents.households.dynamics import group_offer, prices, sites
from tandem_sim.agents.households.layout import DEVICES, FleetGroups, FleetState, Layout, Residents, lay_out
from tandem_sim.agents.households.lookahead import NO_ORDER, IspAhead, IspsAhead, Order, wanted_kw
from tandem_sim.agents.households.views import (
    FeasibleRange,
    FleetBaseline,
    FleetLookahead,
    FleetStep,
    SitesAhead,
)
from tandem_sim.grids.series.profiles import Profiles
from tandem_sim.grids.tolerances import FLEET_TOLERANCE_KWH_OR_K
from tandem_sim.grids.types import FloatArray

__all__ = [
    "DEVICES",
    "FeasibleRange",
    "FleetBaseline",
    "FleetGroups",
    "FleetLookahead",
    "FleetStep",
    "HouseholdFleet",
    "Residents",
    "SitesAhead",
]

_NO_LIMITS: Mapping[int, ConnectionLimits] = MappingProxyType({})


class HouseholdFleet:
    """Thousands of households simulated together; ISP i starts at ``times[i]`` of the ``build`` call.

    ``step`` must be called for each ISP in turn. All results are a function of the arguments of ``build``
    (population, residents, times) and of the orders.
    """

    def __init__(self, layout: Layout, permanent: PermanentLimits | None = None) -> None:
        self._layout = layout
        self._permanent = permanent
        self._state = layout.start(-layout.window.first)
        unlimited = IspsAhead(layout, None)
        for isp in range(-layout.window.first, 0):
            self._state = unlimited.without_orders(self._state, isp).leave(NO_ORDER)[1]
        self._open_accounts()
        self._ahead = IspsAhead(layout, permanent)
        self.power_kw: FloatArray | None = None
        """Injection of members (M,) kW in the ISP delivered last; None before the first."""
        self.shed_kw = np.zeros(len(layout.connections))
        """Appliances of connections (C,) kW switched off in it."""

    @classmethod
    def build(
        cls,
        population: Population,
        residents: Residents,
        times: pd.DatetimeIndex,
        lv_connections: LvConnections | None = None,
        terms: StudyTerms | None = None,
        profiles: Profiles | None = None,
        homes: Households | None = None,
    ) -> "HouseholdFleet":
        """Build a fleet and simulate one day without activation, so that it starts with cars plugged in.

        times: UTC start of every ISP of the horizon. lv_connections: connections on modelled LV feeders.
        terms: how a network flexibility study groups devices, if one is made. profiles: those of one's own
        besides the measured ones. homes: the households and what they own; without them they are drawn from
        the population.
        Raises ValueError (``ProfileError`` for times) naming the argument at fault.
        """
        layout = lay_out(
            population=population,
            residents=residents,
            times=times,
            lv_connections=lv_connections,
            terms=terms,
            profiles=profiles,
            homes=homes,
        )
        return cls(layout, None if lv_connections is None else lv_connections.permanent)

    @property
    def layout(self) -> Layout:
        """Its fixed arrays."""
        return self._layout

    @property
    def groups(self) -> FleetGroups:
        """The groups in which flexibility is offered."""
        return self._layout.groups

    def rated_kw(self) -> dict[int, FloatArray]:
        """Rated power of the devices of each group (G,), kW, for up (1) and down (-1); see ``Devices``."""
        return self._layout.studied.rated_kw(len(self.groups))

    def swing_kw(self) -> dict[int, FloatArray]:
        """Largest change of power of each group (G,), kW, for up (1) and down (-1); see ``Layout``."""
        return self._layout.swing_kw()

    def inverter_kw(self) -> FloatArray:
        """Rated power of the inverters of each group (G,), kW; see ``Layout``."""
        return self._layout.inverter_kw()

    @property
    def connections(self) -> Connections:
        """Households on modelled LV feeders, computed one by one."""
        return self._layout.connections

    @property
    def n_sites(self) -> int:
        """Number of sites of all areas."""
        return self._layout.n_sites

    @property
    def horizon(self) -> int:
        """Number of ISPs it can simulate."""
        return self._layout.horizon

    @property
    def device_states(self) -> tuple[Any, ...]:
        """State of each class of device, in the order of `Layout.devices`."""
        return self._state.devices

    @property
    def next_isp(self) -> int:
        """The ISP that the next ``step`` delivers."""
        return self._state.next_isp

    def step(
        self,
        isp: int,
        up_share: FloatArray | None,
        down_share: FloatArray | None,
        connection_limits: ConnectionLimits | None = None,
    ) -> FleetStep:
        """Deliver one ISP: simulate every device, with the activation that each group is ordered.

        up_share, down_share: kW ordered of each group, (G,), >= 0, None for no order; orders both ways are
        netted. An order beyond what a group can do is delivered as far as possible. connection_limits: limits
        activated for connections in this ISP. Raises ValueError for another ISP than the next one.
        """
        lay, before = self._layout, self._state
        self._check_isp(isp, before.next_isp, before.next_isp)
        activated = {} if connection_limits is None else {isp: connection_limits}
        at_isp = self._ahead.at(before, isp, {}, activated)
        alone = None if self._permanent is None else self._permanent.connection_limits[0]
        offered = offers(lay, at_isp, alone)
        now = at_isp.now
        power, state = at_isp.leave((up_share, down_share))
        self._state = state
        self._ahead.forget(isp)
        shed = np.zeros(len(lay.connections))
        changes = list(zip(lay.devices, before.devices, state.devices, strict=True))
        lost = sum(group.lost_kwh(was, now_is) for group, was, now_is in changes)
        if now.compliance is not None:
            shed = now.compliance.shed_kw
            lost += float(shed.sum() + (now.unconstrained - now.base)[lay.generates].sum()) * lay.hours
        self.power_kw, self.shed_kw = power, shed
        load = now.readings.connection_load
        change = total(lay.member_group, power - now.base, len(lay.groups))
        return FleetStep(
            isp=isp,
            site_p_kw=sites(lay, now, power),
            site_base_kw=at_isp.site_base_kw,
            site_load_kw=now.site_load,
            group_base_kw=total(lay.member_group, now.base, len(lay.groups)),
            up_kw=np.maximum(change, 0.0),
            down_kw=np.maximum(-change, 0.0),
            curtailed_kw=float((now.base - power)[lay.generates].sum()),
            measures={
                column.name: value
                for known, (group, was, now_is) in zip(lay.classes, changes, strict=True)
                for column, value in zip(known.columns, group.measures(was, now_is), strict=True)
            },
            connection_kw=lay.connections.net_kw(power, load - shed),
            connection_base_kw=lay.connections.net_kw(now.base, load - shed),
            connection_unconstrained_kw=lay.connections.net_kw(now.unconstrained, load),
            shed_kw=shed,
            lost_kwh=lost,
            offer_kw=offered[0],
            free_offer_kw=offered[1],
        )

    def lookahead(
        self,
        now_isp: int,
        isp: int,
        energy_value: float,
        orders: Mapping[int, Order],
        connection_limits: Mapping[int, ConnectionLimits] = _NO_LIMITS,
    ) -> FleetLookahead:
        """Baseline and offers of ``isp``, seen from ``now_isp`` (the next ISP to be delivered).

        The state of the fleet does not change. energy_value: EUR/MWh that energy is worth to its household.
        orders: (up, down) kW ordered per group, by ISP; orders from now_isp until before isp are applied,
        others have no effect. connection_limits: activated limits of connections, by ISP.

        An offer bought in full is delivered in full if all orders before it were known here. If some were
        not, sustained offers keep activations of up to ``sustain_isps`` ISPs in a row deliverable. Buying the
        full offer of every ISP without such knowledge sells energy more than once (0.67 to 0.92 of it was
        delivered in the tested weeks).
        """
        lay = self._layout
        at_isp = self._at_isp(now_isp, isp, orders, connection_limits)
        now, (low, high) = at_isp.now, at_isp.sustained
        up_cost, down_saving = prices(lay, at_isp.state, now, (low, high), energy_value)
        up_kw, up_price = group_offer(lay, high - now.base, up_cost)
        down_kw, down_price = group_offer(lay, now.base - low, down_saving)
        group_base = total(lay.member_group, now.base, len(lay.groups))
        return FleetLookahead(
            isp=isp,
            site_base_kw=at_isp.site_base_kw,
            site_load_kw=now.site_load,
            group_base_kw=group_base,
            up_kw=up_kw,
            down_kw=down_kw,
            up_price=up_price,
            down_price=down_price,
        )

    def sites_ahead(
        self,
        now_isp: int,
        isp: int,
        orders: Mapping[int, Order],
        connection_limits: Mapping[int, ConnectionLimits] = _NO_LIMITS,
    ) -> SitesAhead:
        """Baseline and inflexible load of sites in a later ISP; arguments as in ``lookahead``."""
        at_isp = self._at_isp(now_isp, isp, orders, connection_limits)
        return SitesAhead(at_isp.site_base_kw, at_isp.now.site_load)

    def feasible_range(
        self,
        now_isp: int,
        isp: int,
        orders: Mapping[int, Order],
        connection_limits: Mapping[int, ConnectionLimits] = _NO_LIMITS,
    ) -> FeasibleRange:
        """Power of connections in a later ISP with all orders known, and feasible range of groups in it."""
        at_isp = self._at_isp(now_isp, isp, orders, connection_limits)
        return feasible_range(self._layout, at_isp, wanted_kw(self._layout, orders.get(isp, NO_ORDER)))

    def baseline_ahead(self, now_isp: int, n: int) -> FleetBaseline:
        """Baselines of the n ISPs from ``now_isp`` (the next to be delivered) on, without orders."""
        lay, state = self._layout, self._state_at(now_isp)
        self._check_isp(now_isp + n - 1, now_isp, lay.horizon - 1)
        base, load = np.empty((n, lay.n_sites)), np.empty((n, lay.n_sites))
        for k in range(n):
            at_isp = self._ahead.without_orders(state, now_isp + k)
            _, state = at_isp.leave(NO_ORDER)
            base[k], load[k] = at_isp.site_base_kw, at_isp.now.site_load
        return FleetBaseline(base, load)

    def availability(self, now_isp: int, isps: Sequence[int]) -> tuple[FloatArray, FloatArray]:
        """Sustained offers up and down, (n, G) kW each, in n later ISPs in rising order, without orders."""
        lay, state = self._layout, self._state_at(now_isp)
        self._check_isp(isps[-1], now_isp, lay.horizon - 1)
        up, down = np.empty((len(isps), len(lay.groups))), np.empty((len(isps), len(lay.groups)))
        for line, isp in enumerate(isps):
            for k in range(state.next_isp, isp):
                _, state = self._ahead.without_orders(state, k).leave(NO_ORDER)
            at_isp = self._ahead.without_orders(state, isp)
            (low, high), base = at_isp.sustained, at_isp.now.base
            up[line] = total(lay.member_group, high - base, len(lay.groups))
            down[line] = total(lay.member_group, base - low, len(lay.groups))
        return up, down

    def without_orders(self, isp: int, n: int, days: int) -> Iterator[tuple[SitesAhead, FloatArray]]:
        """Sites, and power of members (M,) kW, in n ISPs from ``isp`` on, without orders.

        The state of the fleet does not matter and does not change. The n ISPs follow a burn-in of so many
        ``days``, which begins as that of the fleet and not before it: from ISP 0 on they are what the fleet
        does without orders.
        """
        lay = self._layout
        first = max(isp - days * lay.window.first, -lay.window.first)
        self._check_isp(isp + n - 1, isp, lay.horizon - 1)
        state, unlimited = lay.start(first), IspsAhead(lay, None)
        for k in range(first, isp + n):
            at_isp = (unlimited if k < 0 else self._ahead).without_orders(state, k)
            _, state = at_isp.leave(NO_ORDER)
            if k >= isp:
                yield SitesAhead(at_isp.site_base_kw, at_isp.now.site_load), at_isp.now.base

    def checks(self) -> list[str]:
        """Physical invariants that are violated now, a line each. Energy accounts run from the start."""
        parts = zip(self._layout.devices, self._state.devices, strict=True)
        worst = {
            name: float(excess.max(initial=0.0))
            for group, state in parts
            for name, excess in group.checks(state).items()
        }
        return [
            f"{name}: {value:.3g}" for name, value in worst.items() if not value <= FLEET_TOLERANCE_KWH_OR_K
        ]

    def snapshot(self) -> dict[str, FloatArray]:
        """A copy of the whole state: arrays by class of device and name, such as ``battery_stored_kwh``."""
        found = {"next_isp": np.array(self._state.next_isp, dtype=np.float64)}
        for known, state in zip(self._layout.classes, self._state.devices, strict=True):
            arrays = arrays_of(known.name, state)
            found |= {name: np.array(values, dtype=np.float64) for name, values in arrays.items()}
        return found

    def restore(self, snapshot: Mapping[str, FloatArray]) -> None:
        """Return to a ``snapshot`` of a fleet built alike. Raises ValueError for that of another fleet."""
        names = list(self.snapshot())
        if sorted(snapshot) != sorted(names):
            raise ValueError(f"snapshot must hold exactly {', '.join(names)}")
        parts = zip(self._layout.classes, self._state.devices, strict=True)
        devices = tuple(with_arrays(known.name, state, snapshot) for known, state in parts)
        self._state = FleetState(next_isp=int(snapshot["next_isp"]), devices=devices)

    def _open_accounts(self) -> None:
        """Start new energy accounts from the present state."""
        parts = zip(self._layout.devices, self._state.devices, strict=True)
        devices = tuple(group.open_accounts(state) for group, state in parts)
        self._state = replace(self._state, devices=devices)

    def _at_isp(
        self,
        now_isp: int,
        isp: int,
        orders: Mapping[int, Order],
        connection_limits: Mapping[int, ConnectionLimits],
    ) -> IspAhead:
        """The fleet before ``isp`` if it follows the orders and limits known now."""
        self._check_isp(isp, now_isp, self._layout.horizon - 1)
        return self._ahead.at(self._state_at(now_isp), isp, orders, connection_limits)

    def _state_at(self, now_isp: int) -> FleetState:
        if now_isp != self._state.next_isp:
            raise ValueError(f"now_isp is {now_isp}, but the next ISP of the fleet is {self._state.next_isp}")
        return self._state

    def _check_isp(self, isp: int, low: int, high: int) -> None:
        if isp >= self._layout.horizon:
            raise ValueError(f"isp {isp} is beyond the horizon of {self._layout.horizon} ISPs given to build")
        if not low <= isp <= high:
            raise ValueError(f"isp is {isp}, expected {low}" + (f" to {high}" if high > low else ""))
