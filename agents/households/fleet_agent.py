"""The agent that receives orders for the fleet of households and simulates it."""

from __future__ import annotations

import mesa
import numpy as np

from tandem_sim.agents.base.agent import AgentContext, Participant
from tandem_sim.agents.base.messages import (
    LimitMessage,
    Message,
    OrderMessage,
    ReactiveOrderMessage,
)
from tandem_sim.agents.base.subscriptions import on
from tandem_sim.agents.devices.connection_limits import ConnectionLimits
from tandem_sim.agents.households.fleet import (
    FeasibleRange,
    FleetLookahead,
    FleetStep,
    HouseholdFleet,
    SitesAhead,
)
from tandem_sim.grids.types import FloatArray


class FleetAgent(Participant):
    """Receives orders for the household fleet, simulates it once per ISP, and reads its meters."""

    def __init__(
        self,
        model: mesa.Model,
        *,
        name: str,
        context: AgentContext,
        fleet: HouseholdFleet,
        owners: list[str],
        isps_per_day: int = 96,
    ) -> None:
        super().__init__(model, name, context)
        self.fleet = fleet
        self.owners = owners  # names of aggregators by number
        self._orders: dict[int, tuple[FloatArray, FloatArray]] = {}  # up and down per group (G,) kW
        self._feasible_range_at = (-1, -1, -1)  # next ISP, requested ISP, changes: key of `_feasible_range`
        self._feasible_range: dict[bool, FeasibleRange] = {}  # with activated limits (True), and without
        self._lookahead: tuple[tuple[int, int, int, float], FleetLookahead] | None = None
        self._sites: tuple[tuple[int, int, int], SitesAhead] | None = None
        self._changes = 0  # count of changes of orders and limits, for stored results
        self._isps_per_day, self._hour = isps_per_day, max(isps_per_day // 24, 1)
        self._availability: tuple[int, dict[int, int], FloatArray, FloatArray] | None = None
        self.steps: dict[int, FleetStep] = {}  # delivered and not yet settled
        self.wanted_kw: dict[int, FloatArray] = {}  # net order per group (G,), up positive, of the same ISPs
        self._connection_limits: dict[int, ConnectionLimits] = {}  # limits activated for connections
        self._mvar: dict[int, FloatArray] = {}  # reactive power ordered per group (G,), injection positive

    def _is_late(self, message: Message) -> bool:
        """Whether an order came after delivery began: it is recorded, and has no effect."""
        if message.isp >= self.fleet.next_isp:
            return False
        late = {"system": self.name, "bid_id": message.sender, "reason": "order came after delivery began"}
        self.context.record("rejections", {"isp": message.isp, **late})
        return True

    @on(ReactiveOrderMessage)
    def on_reactive_order(self, message: ReactiveOrderMessage) -> None:
        """Add reactive power to that ordered of its groups."""
        if not self._is_late(message):
            ordered = self._mvar.setdefault(message.isp, np.zeros(len(self.fleet.groups)))
            np.add.at(ordered, message.group, message.mvar)

    @on(OrderMessage)
    def on_order(self, message: OrderMessage) -> None:
        """Add an order to those of its groups."""
        if self._is_late(message):
            return
        if message.isp not in self._orders:
            n = len(self.fleet.groups)
            self._orders[message.isp] = np.zeros(n), np.zeros(n)
        for order, kw in zip(self._orders[message.isp], (message.up_kw, message.down_kw), strict=True):
            np.add.at(order, message.group, kw)
            np.maximum(order, 0.0, out=order)  # an award may be taken back that was lost before
        self._changes += 1

    @on(LimitMessage)
    def on_limit(self, message: LimitMessage) -> None:
        """Store the limits that a DSO has activated for connections; later ones replace earlier ones."""
        if self._is_late(message):
            return
        free = np.full(len(self.fleet.connections), np.inf)
        known = self._connection_limits.get(message.isp, ConnectionLimits(free, free))
        connection_limits = ConnectionLimits(
            known.import_kw.copy(), known.export_kw.copy()
        )  # copies: stored results are compared with the old arrays
        connection_limits.import_kw[message.connection] = message.import_kw
        connection_limits.export_kw[message.connection] = message.export_kw
        self._connection_limits[message.isp] = connection_limits
        self._changes += 1

    def connection_limits(self, isp: int) -> ConnectionLimits | None:
        """Limits activated for an ISP so far, None without any."""
        return self._connection_limits.get(isp)

    def feasible_range(self, isp: int, limited: bool = True) -> FeasibleRange:
        """Feasible range of an ISP with all orders and limits known now; computed once for all callers.

        With `limited` False: as if no contract had been activated for this ISP.
        """
        if self._feasible_range_at != (key := (self.fleet.next_isp, isp, self._changes)):
            self._feasible_range_at, self._feasible_range = key, {}
        if limited not in self._feasible_range:
            connection_limits = (
                self._connection_limits
                if limited
                else {k: c for k, c in self._connection_limits.items() if k != isp}
            )
            self._feasible_range[limited] = self.fleet.feasible_range(
                self.fleet.next_isp, isp, self._orders, connection_limits
            )
        return self._feasible_range[limited]

    def ordered_kw(self, isp: int) -> FloatArray:
        """Net order of every group (G,) kW for an ISP so far, up positive."""
        nothing = np.zeros(len(self.fleet.groups))
        up, down = self._orders.get(isp, (nothing, nothing))
        return np.asarray(up - down)

    def reactive_mvar(self, isp: int) -> FloatArray:
        """Reactive power ordered of every group (G,) Mvar, injection positive; it is delivered in full."""
        return self._mvar.get(isp, np.zeros(len(self.fleet.groups)))

    def site_mvar(self, isp: int) -> FloatArray:
        """The same by site, (n_sites,) over all areas."""
        site, n = self.fleet.groups.site, self.fleet.n_sites
        return np.bincount(site, weights=self.reactive_mvar(isp), minlength=n).astype(np.float64)

    def lookahead(self, isp: int, energy_value: float) -> FleetLookahead:
        """The fleet in a later ISP under the orders known now; computed once for all callers."""
        key = (self.fleet.next_isp, isp, self._changes, energy_value)
        if self._lookahead is None or self._lookahead[0] != key:
            lookahead = self.fleet.lookahead(key[0], isp, energy_value, self._orders, self._connection_limits)
            self._lookahead = key, lookahead
        return self._lookahead[1]

    def sites_ahead(self, isp: int) -> SitesAhead:
        """Baseline of sites in a later ISP under the orders known now; computed once for all callers."""
        key = (self.fleet.next_isp, isp, self._changes)
        if self._sites is None or self._sites[0] != key:
            self._sites = key, self.fleet.sites_ahead(key[0], isp, self._orders, self._connection_limits)
        return self._sites[1]

    def availability(self, isps: range) -> tuple[FloatArray, FloatArray]:
        """Sustained offers up and down, (n, G) kW, at the n hours of a block, without orders.

        A block further ahead than a day takes the same hours of the next 24 hours (persistence). The
        lookahead is computed once per state of the fleet.
        """
        fleet, day = self.fleet, self._isps_per_day
        now = fleet.next_isp
        if self._availability is None or self._availability[0] != now:
            isps_ahead = [i for i in range(now, now + day) if i % self._hour == 0 and i < fleet.horizon]
            up, down = fleet.availability(now, isps_ahead)
            places = {isp % day: line for line, isp in enumerate(isps_ahead)}
            self._availability = now, places, up, down
        _, places, up, down = self._availability
        hours = {i % day for i in isps} & set(places)
        lines = sorted(places[h] for h in hours) or list(range(len(places)))
        return up[lines], down[lines]

    def deliver(self, isp: int) -> FleetStep:
        """Simulate the fleet through an ISP with the orders received."""
        up, down = self._orders.pop(isp, (None, None))
        self.steps[isp] = step = self.fleet.step(isp, up, down, self._connection_limits.get(isp))
        nothing = np.zeros(len(self.fleet.groups))
        self.wanted_kw[isp] = nothing if up is None or down is None else up - down
        self._changes += 1
        return step

    def forget(self, isp: int) -> None:
        """Drop the data of an ISP that has been settled."""
        super().forget(isp)
        del self.steps[isp], self.wanted_kw[isp]
        self._mvar.pop(isp, None)
        self._connection_limits.pop(isp, None)
