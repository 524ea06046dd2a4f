"""Later ISPs of a fleet under the orders and limits known now; each is computed once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from tandem_sim.agents.devices.connection_limits import ConnectionLimits, PermanentLimits
from tandem_sim.agents.devices.device import Limits
from tandem_sim.agents.households.dynamics import IspState, activate, arrive, isp_state, limits, move, sites
from tandem_sim.agents.households.layout import FleetState, Layout
from tandem_sim.agents.households.measurements import Readings, read
from tandem_sim.grids.types import FloatArray

Order = tuple[FloatArray | None, FloatArray | None]
"""kW ordered of each group (G,) >= 0, upwards and downwards; None for no order."""
NO_ORDER: Order = (None, None)


class IspAhead:
    """The fleet before one ISP: state after the ISP before, arrived EVs, and baseline."""

    def __init__(
        self, lay: Layout, before: FleetState, readings: Readings, connection_limits: ConnectionLimits | None
    ) -> None:
        self.before, self.connection_limits = before, connection_limits
        self._lay = lay
        self.state = arrive(lay, before, readings)
        self.now: IspState = isp_state(lay, self.state, readings, connection_limits)
        self._left: tuple[Order, FloatArray, FleetState] | None = None

    @cached_property
    def site_base_kw(self) -> FloatArray:
        """Baseline: net injection of every site, (n_sites,) kW."""
        return sites(self._lay, self.now, self.now.base)

    @cached_property
    def sustained(self) -> Limits:
        """Lowest and highest injection of every member (M,) that it can sustain as long as offers last."""
        return limits(self._lay, self.state, self.now, self._lay.sustain)

    def leave(self, order: Order) -> tuple[FloatArray, FleetState]:
        """Power of every member (M,) and the state after the ISP when groups follow an order.

        A second call with the same order returns the identical state object.
        """
        if self._left is None or not all(map(_same, self._left[0], order)):
            now, lay, net_kw = self.now, self._lay, wanted_kw(self._lay, order)
            power = now.base if net_kw is None else activate(lay, self.state, now, net_kw, self.sustained)
            up, down = (
                None if kw is None else kw.copy() for kw in order
            )  # the caller may add to its arrays later
            self._left = (up, down), power, move(lay, self.state, now, power)
        return self._left[1:]


class IspsAhead:
    """States of the fleet before later ISPs; those after a change of orders or limits are computed again."""

    def __init__(self, lay: Layout, permanent: PermanentLimits | None) -> None:
        self._lay, self._permanent = lay, permanent
        self._readings: dict[int, Readings] = {}
        self._isps: dict[int, IspAhead] = {}

    def at(
        self,
        state: FleetState,
        isp: int,
        orders: Mapping[int, Order],
        connection_limits: Mapping[int, ConnectionLimits],
    ) -> IspAhead:
        """The fleet before ``isp``, starting from ``state`` and following orders and activated limits.

        States are immutable: a stored result is still valid if it began from the identical state object that
        the ISP before it leaves. Raises ValueError for an ISP before the next one.
        """
        for k in range(state.next_isp, isp + 1):
            at_isp, capped = self._isps.get(k), self.connection_limits(k, connection_limits.get(k))
            if at_isp is None or at_isp.before is not state or not _alike(at_isp.connection_limits, capped):
                at_isp = self._isps[k] = IspAhead(self._lay, state, self._read(k), capped)
            if k == isp:
                return at_isp
            state = at_isp.leave(orders.get(k, NO_ORDER))[1]
        raise ValueError(f"isp is {isp}, but the next ISP of the fleet is {state.next_isp}")

    def without_orders(self, state: FleetState, isp: int) -> IspAhead:
        """The fleet before ``isp`` from ``state`` without activated limits; not stored."""
        return IspAhead(
            self._lay,
            state,
            self._readings.get(isp) or read(self._lay, isp),
            self.connection_limits(isp, None),
        )

    def forget(self, isp: int) -> None:
        """Drop an ISP that has been delivered."""
        self._isps.pop(isp, None)
        self._readings.pop(isp, None)

    def connection_limits(self, isp: int, activated: ConnectionLimits | None) -> ConnectionLimits | None:
        """Limits of an ISP: activated ones together with permanent ones."""
        return activated if self._permanent is None else self._permanent.at(isp, activated)

    def _read(self, isp: int) -> Readings:
        if isp not in self._readings:
            self._readings[isp] = read(self._lay, isp)
        return self._readings[isp]


def wanted_kw(lay: Layout, order: Order) -> FloatArray | None:
    """Net order of each group (G,) kW, up positive; None if nothing is ordered. Raises ValueError."""
    net = np.zeros(len(lay.groups))
    for name, wanted, sign in zip(("up_share", "down_share"), order, (1.0, -1.0), strict=True):
        if wanted is None:
            continue
        if wanted.shape != net.shape or not (wanted >= 0).all() or not np.isfinite(wanted).all():
            raise ValueError(f"{name} must hold one finite kW >= 0 for each of the {len(net)} groups")
        net += sign * wanted
    return net if net.any() else None


def _same(one: FloatArray | None, two: FloatArray | None) -> bool:
    return one is two or (one is not None and two is not None and np.array_equal(one, two))


def _alike(one: ConnectionLimits | None, two: ConnectionLimits | None) -> bool:
    if one is None or two is None or one is two:
        return one is two
    return np.array_equal(one.import_kw, two.import_kw) and np.array_equal(one.export_kw, two.export_kw)
