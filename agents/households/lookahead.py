"""The ISPs to come as a fleet will live them by the orders and limits known: each worked out once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from tandem_sim.agents.devices.connection_limits import ConnectionLimits, PermanentLimits
from tandem_sim.agents.devices.models import Limits
from tandem_sim.agents.households.dynamics import Now, activate, arrive, limits, look, move, sites
from tandem_sim.agents.households.layout import FleetState, Layout
from tandem_sim.agents.households.measurements import Readings, read
from tandem_sim.grids.types import FloatArray

Order = tuple[FloatArray | None, FloatArray | None]
"""kW wanted of each group (G,) >= 0, upwards and downwards; None for nothing."""
NO_ORDER: Order = (None, None)


class IspAhead:
    """The fleet before one ISP: as the ISP before has left it, cars arrived, and what it would do unasked."""

    def __init__(
        self, lay: Layout, before: FleetState, seen: Readings, connection_limits: ConnectionLimits | None
    ) -> None:
        self.before, self.connection_limits = before, connection_limits
        self._lay = lay
        self.state = arrive(before, seen)
        self.now: Now = look(lay, self.state, seen, connection_limits)
        self._left: tuple[Order, FloatArray, FleetState] | None = None

    @cached_property
    def site_base_kw(self) -> FloatArray:
        """Net injection of every site unasked, (n_sites,)."""
        return sites(self._lay, self.now, self.now.base)

    @cached_property
    def sustained(self) -> Limits:
        """Lowest and highest injection of every member (M,) that it bears as long as offers must."""
        return limits(self._lay, self.state, self.now, self._lay.sustain)

    def leave(self, order: Order) -> tuple[FloatArray, FleetState]:
        """Power of every member (M,) and the state after the ISP when groups are ordered to change.

        Asked again with the same order it answers with the very same state.
        """
        if self._left is None or not all(map(_same, self._left[0], order)):
            now, lay, net_kw = self.now, self._lay, wanted_kw(self._lay, order)
            power = now.base if net_kw is None else activate(lay, self.state, now, net_kw, self.sustained)
            up, down = (None if kw is None else kw.copy() for kw in order)  # who ordered may add to it
            self._left = (up, down), power, move(lay, self.state, now, power)
        return self._left[1:]


class IspsAhead:
    """Stops at the ISPs from the next one on; those behind a change of orders or limits are made anew."""

    def __init__(self, lay: Layout, permanent: PermanentLimits | None) -> None:
        self._lay, self._standing = lay, permanent
        self._seen: dict[int, Readings] = {}
        self._isps: dict[int, IspAhead] = {}

    def at(
        self,
        state: FleetState,
        isp: int,
        orders: Mapping[int, Order],
        connection_limits: Mapping[int, ConnectionLimits],
    ) -> IspAhead:
        """The stop before ``isp`` on the way from ``state``, orders and activated limits followed.

        States are values: a stop still holds if it began from the very state that the one before it leaves.
        """
        for k in range(state.next_isp, isp + 1):
            at_isp, capped = self._isps.get(k), self.connection_limits(k, connection_limits.get(k))
            if at_isp is None or at_isp.before is not state or not _alike(at_isp.connection_limits, capped):
                at_isp = self._isps[k] = IspAhead(self._lay, state, self._read(k), capped)
            if k == isp:
                return at_isp
            state = at_isp.leave(orders.get(k, NO_ORDER))[1]
        raise ValueError(f"isp is {isp}, but the fleet stands before ISP {state.next_isp}")

    def without_orders(self, state: FleetState, isp: int) -> IspAhead:
        """A stop of its own, when nothing is ordered and no limit activated."""
        return IspAhead(
            self._lay, state, self._seen.get(isp) or read(self._lay, isp), self.connection_limits(isp, None)
        )

    def forget(self, isp: int) -> None:
        """Drop an ISP that has been delivered."""
        self._isps.pop(isp, None)
        self._seen.pop(isp, None)

    def connection_limits(self, isp: int, activated: ConnectionLimits | None) -> ConnectionLimits | None:
        """Limits of an ISP: those activated for it, and those known from the start."""
        return activated if self._standing is None else self._standing.at(isp, activated)

    def _read(self, isp: int) -> Readings:
        if isp not in self._seen:
            self._seen[isp] = read(self._lay, isp)
        return self._seen[isp]


def wanted_kw(lay: Layout, order: Order) -> FloatArray | None:
    """Net change wanted of each group (G,), up positive; None if nothing is wanted."""
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
