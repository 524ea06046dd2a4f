"""Feasible range and offers of the connections of a fleet in one ISP, with and without limits."""

import numpy as np

from tandem_sim.agents.devices.connection_limits import ConnectionLimits
from tandem_sim.agents.devices.device import Limits, total
from tandem_sim.agents.households.dynamics import IspState, activate, bounds, isp_state, limits, prices
from tandem_sim.agents.households.layout import Layout
from tandem_sim.agents.households.lookahead import IspAhead
from tandem_sim.agents.households.views import FeasibleRange
from tandem_sim.grids.types import FloatArray


def feasible_range(lay: Layout, at_isp: IspAhead, order: FloatArray | None) -> FeasibleRange:
    """Expected power and feasible range of an ISP under an order (G,) kW, up positive."""
    state, now, own = at_isp.state, at_isp.now, lay.connections
    load = now.readings.connection_load
    low, high = bounds(lay, state, now)
    power = now.base if order is None else activate(lay, state, now, order, at_isp.sustained)
    nothing, more = np.zeros(len(own)), np.maximum(high - power, 0.0)
    shed = nothing if now.compliance is None else now.compliance.shed_kw
    cost, _ = prices(lay, state, now, (low, high), 0.0)
    relief = own.net_kw(more, nothing)
    return FeasibleRange(
        connection_kw=own.net_kw(power, load - shed),
        connection_base_kw=own.net_kw(now.base, load - shed),
        connection_unconstrained_kw=own.net_kw(now.unconstrained, load),
        up_kw=total(lay.member_group, high - now.base, len(lay.groups)),
        down_kw=total(lay.member_group, now.base - low, len(lay.groups)),
        relief_kw=relief,
        relief_price=np.divide(
            own.net_kw(more * cost, nothing), relief, out=nothing.copy(), where=relief > 0
        ),
    )


def offers(lay: Layout, at_isp: IspAhead, alone: ConnectionLimits | None) -> tuple[FloatArray, FloatArray]:
    """Sustained offers (2, C) kW of connections, up and down: as limited, and under the limits ``alone``."""
    if not len(lay.connections):
        return np.zeros((2, 0)), np.zeros((2, 0))
    limited = _offer(lay, at_isp.now, at_isp.sustained)
    if at_isp.connection_limits is alone:
        return limited, limited
    now = isp_state(lay, at_isp.state, at_isp.now.readings, alone)
    return limited, _offer(lay, now, limits(lay, at_isp.state, now, lay.sustain))


def _offer(lay: Layout, now: IspState, sustained: Limits) -> FloatArray:
    (low, high), own = sustained, lay.connections
    nothing = np.zeros(len(own))
    return np.stack([own.net_kw(high - now.base, nothing), own.net_kw(now.base - low, nothing)])
