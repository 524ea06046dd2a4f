"""What the connections of a fleet can do in one ISP, and what of it limits leave."""

import numpy as np

from tandem_sim.agents.devices.connection_limits import ConnectionLimits
from tandem_sim.agents.devices.models import Limits
from tandem_sim.agents.households.dynamics import Now, activate, bounds, limits, look, prices
from tandem_sim.agents.households.layout import Layout
from tandem_sim.agents.households.lookahead import IspAhead
from tandem_sim.agents.households.measurements import total
from tandem_sim.agents.households.views import FeasibleRange
from tandem_sim.grids.types import FloatArray


def feasible_range(lay: Layout, at_isp: IspAhead, order: FloatArray | None) -> FeasibleRange:
    """What is expected of an ISP with an order (G,) kW, up positive; see ``FleetReach``."""
    state, now, own = at_isp.state, at_isp.now, lay.connections
    load = now.seen.connection_load
    low, high = bounds(lay, state, now)
    power = now.base if order is None else activate(lay, state, now, order, at_isp.sustained)
    nothing, more = np.zeros(len(own)), np.maximum(high - power, 0.0)
    shed = nothing if now.compliance is None else now.compliance.shed_kw
    cost, _ = prices(lay, state, now, 0.0)
    ease = own.net_kw(more, nothing)
    return FeasibleRange(
        connection_kw=own.net_kw(power, load - shed),
        connection_base_kw=own.net_kw(now.base, load - shed),
        connection_unconstrained_kw=own.net_kw(now.unconstrained, load),
        up_kw=total(lay.member_group, high - now.base, len(lay.groups)),
        down_kw=total(lay.member_group, now.base - low, len(lay.groups)),
        ease_kw=ease,
        ease_price=np.divide(own.net_kw(more * cost, nothing), ease, out=nothing.copy(), where=ease > 0),
    )


def offers(lay: Layout, at_isp: IspAhead, alone: ConnectionLimits | None) -> tuple[FloatArray, FloatArray]:
    """Sustained offers (2, C) kW of connections, up and down, at a stop and had ``alone`` been its limits."""
    if not len(lay.connections):
        return np.zeros((2, 0)), np.zeros((2, 0))
    first = _offer(lay, at_isp.now, at_isp.sustained)
    if at_isp.connection_limits is alone:
        return first, first
    now = look(lay, at_isp.state, at_isp.now.seen, alone)
    return first, _offer(lay, now, limits(lay, at_isp.state, now, lay.sustain))


def _offer(lay: Layout, now: Now, sustained: Limits) -> FloatArray:
    (low, high), own = sustained, lay.connections
    nothing = np.zeros(len(own))
    return np.stack([own.net_kw(high - now.base, nothing), own.net_kw(now.base - low, nothing)])
