"""What the connections of a fleet can do in one ISP, and what of it limits leave."""

import numpy as np

from agents.compliance import Caps
from agents.fleet_layout import FleetState, Layout
from agents.fleet_motion import Now, activate, arrive, bounds, connection_load, limits, look, prices, total
from agents.fleet_views import FleetReach
from grids.arrays import FloatArray


def reach(lay: Layout, state: FleetState, now: Now, order: FloatArray | None) -> FleetReach:
    """What is expected of an ISP with an order (G,) kW, up positive; see ``FleetReach``."""
    own, load = lay.connections, connection_load(lay, now.isp)
    low, high = bounds(lay, state, now)
    power = now.base if order is None else activate(lay, state, now, order)
    nothing, more = np.zeros(len(own)), np.maximum(high - power, 0.0)
    shed = nothing if now.kept is None else now.kept.shed_kw
    cost, _ = prices(lay, state, now, 0.0)
    ease = own.net_kw(more, nothing)
    return FleetReach(
        own.net_kw(power, load - shed),
        own.net_kw(now.base, load - shed),
        own.net_kw(now.wish, load),
        total(lay.member_group, high - now.base, len(lay.groups)),
        total(lay.member_group, now.base - low, len(lay.groups)),
        ease,
        np.divide(own.net_kw(more * cost, nothing), ease, out=nothing.copy(), where=ease > 0),
    )


def offers(
    lay: Layout, state: FleetState, isp: int, caps: tuple[Caps | None, Caps | None]
) -> tuple[FloatArray, FloatArray]:
    """Sustained offers (2, C) kW of connections, up and down, under either of two sets of limits.

    ``state`` is that before the ISP.
    """
    if not len(lay.connections):
        return np.zeros((2, 0)), np.zeros((2, 0))
    state = state.copy()
    arrive(lay, state, isp)
    first = _offer(lay, state, isp, caps[0])
    return first, first if caps[0] is caps[1] else _offer(lay, state, isp, caps[1])


def _offer(lay: Layout, state: FleetState, isp: int, caps: Caps | None) -> FloatArray:
    now = look(lay, state, isp, caps)
    low, high = limits(lay, state, now, lay.sustain)
    own, nothing = lay.connections, np.zeros(len(lay.connections))
    return np.stack([own.net_kw(high - now.base, nothing), own.net_kw(now.base - low, nothing)])
