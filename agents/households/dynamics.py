"""Dynamics of a household fleet: one ISP of all devices, as functions of its layout and state.

States are immutable: ``arrive`` and ``move`` return new ones. Members are the M devices of ``Layout``: PV
groups, batteries, EVs, heat pumps, in this order. Powers are injections in kW.
"""

from dataclasses import dataclass, replace

import numpy as np

from tandem_sim.agents.devices.connection_limits import Compliance, ConnectionLimits, comply
from tandem_sim.agents.devices.models import Limits, spread
from tandem_sim.agents.households.layout import FleetState, Layout
from tandem_sim.agents.households.measurements import Readings, total
from tandem_sim.grids.types import FloatArray, IntArray


@dataclass(frozen=True, kw_only=True)
class IspState:
    """One ISP before activation: baseline of members (M,), inflexible load of sites (n_sites,), readings.

    ev_isps (E,): ISPs until departure, this one included. unconstrained (M,): baseline without connection
    limits. compliance: how connections are brought within their limits, None without limits.
    """

    readings: Readings
    base: FloatArray
    site_load: FloatArray
    ev_isps: IntArray
    unconstrained: FloatArray
    compliance: Compliance | None = None


def arrive(state: FleetState, readings: Readings) -> FleetState:
    """EVs leave and plug in; energy still needed at departure is booked as missing (``ev_short_kwh``)."""
    late = (state.ev_depart_isp <= readings.isp) & (state.ev_left_kwh > 0)
    if late.any():
        short = state.ev_short_kwh + np.where(late, state.ev_left_kwh, 0.0)
        state = replace(state, ev_short_kwh=short, ev_left_kwh=np.where(late, 0.0, state.ev_left_kwh))
    new = readings.arrivals
    if not len(new.car):
        return state
    changed = (state.ev_left_kwh, state.ev_needed_kwh, state.ev_limit_kw)
    left, needed, limit = (values.copy() for values in changed)
    depart = state.ev_depart_isp.copy()
    left[new.car] = np.where(new.adds, left[new.car], 0.0) + new.need_kwh
    needed[new.car] += new.need_kwh
    depart[new.car] = new.depart_isp
    limit[new.car] = new.limit_kw
    return replace(state, ev_left_kwh=left, ev_needed_kwh=needed, ev_depart_isp=depart, ev_limit_kw=limit)


def isp_state(
    lay: Layout, state: FleetState, readings: Readings, connection_limits: ConnectionLimits | None = None
) -> IspState:
    """Baseline of every member within connection limits, for a state after ``arrive``."""
    ev_isps = state.ev_depart_isp - readings.isp
    ev = lay.vehicles.baseline(state.ev_left_kwh, ev_isps, state.ev_limit_kw, lay.hours, readings.plugged_in)
    pump = lay.pumps.baseline(state.theta_k, readings.pump_kw)
    surplus = readings.surplus.copy()
    surplus[lay.battery_of_ev] += ev[lay.ev_of_battery]
    surplus[lay.battery_of_pump] += pump[lay.pump_of_battery]
    battery = lay.batteries.baseline(state.stored_kwh, surplus, lay.hours)
    base = np.concatenate([readings.pv, battery, ev, pump])
    now = IspState(
        readings=readings, base=base, site_load=readings.site_load, ev_isps=ev_isps, unconstrained=base
    )
    return now if connection_limits is None else _within(lay, state, now, connection_limits)


def _within(lay: Layout, state: FleetState, now: IspState, connection_limits: ConnectionLimits) -> IspState:
    """The ISP with every connection within its limits."""
    low, high = bounds(lay, state, now)
    compliance = comply(
        lay.connections, now.unconstrained, low, high, now.readings.connection_load, connection_limits
    )
    served = now.site_load + total(lay.connections.site, compliance.shed_kw, lay.n_sites)
    return replace(now, base=compliance.base, site_load=served, compliance=compliance)


def limits(lay: Layout, state: FleetState, now: IspState, isps: int) -> Limits:
    """Lowest and highest injection of every member, sustainable for ``isps`` ISPs (1, or ``lay.sustain``)."""
    pv, battery, ev, pump = lay.by_device(now.base)
    low_b, high_b = lay.batteries.limits(state.stored_kwh, battery, lay.hours, isps)
    low_e, high_e = lay.vehicles.limits(
        state.ev_left_kwh, now.ev_isps, state.ev_limit_kw, ev, lay.hours, isps
    )
    fixed = now.readings.plugged_in  # before a journey EVs offer nothing
    low_e, high_e = np.where(fixed, ev, low_e), np.where(fixed, ev, high_e)
    decay = lay.pumps.decay if isps == 1 else lay.pump_decay_sustained
    low_p, high_p = lay.pumps.limits(state.theta_k, now.readings.pump_kw, now.readings.heating, pump, decay)
    low = np.concatenate([np.zeros(len(pv)), low_b, low_e, low_p])
    high = np.concatenate([pv, high_b, high_e, high_p])
    if now.compliance is not None:
        base = now.base
        return base - now.compliance.down * (base - low), base + now.compliance.up * (high - base)
    return low, high


def bounds(lay: Layout, state: FleetState, now: IspState) -> Limits:
    """Range of every member that ``activate`` can reach in this ISP: the wider of the two limits it uses."""
    (low, high), (least, most) = limits(lay, state, now, lay.sustain), limits(lay, state, now, 1)
    return np.minimum(low, least), np.maximum(high, most)


def activate(
    lay: Layout, state: FleetState, now: IspState, net_kw: FloatArray, sustained: Limits
) -> FloatArray:
    """Power of every member when groups are ordered to change by ``net_kw`` (G,), up positive.

    ``sustained`` offers are used first; the rest is taken from the physical bounds of this ISP.
    """
    power, left = _share_out(lay, now.base, net_kw, sustained)
    return _share_out(lay, power, left, limits(lay, state, now, 1))[0] if left.any() else power


def _share_out(
    lay: Layout, start: FloatArray, net_kw: FloatArray, within: Limits
) -> tuple[FloatArray, FloatArray]:
    """Power of members (M,), changed from ``start`` within limits; undelivered rest of groups (G,)."""
    (low, high), power = within, start
    up, down = np.maximum(net_kw, 0.0), np.maximum(-net_kw, 0.0)
    if up.any():
        more, up = spread(up, lay.member_group, np.maximum(high - start, 0.0))
        power = power + more
    if down.any():
        less, down = spread(down, lay.member_group, np.maximum(start - low, 0.0))
        power = power - less
    return power, up - down


def move(lay: Layout, state: FleetState, now: IspState, power: FloatArray) -> FleetState:
    """State after an ISP in which members have injected ``power`` (M,)."""
    _, battery, ev, pump = lay.by_device(power)
    charged, theta = -ev * lay.hours, lay.pumps.move(state.theta_k, now.readings.pump_kw, pump)
    denied, forced = state.ev_denied_kwh, state.theta_forced
    if now.compliance is not None:
        denied = denied + now.compliance.denied_kw * lay.hours
        forced = np.where(now.compliance.forced_kw > 0, 1.0, forced)
    if len(lay.connections):
        forced = np.where(np.abs(theta) <= lay.pumps.band_k, 0.0, forced)
    return replace(
        state,
        next_isp=now.readings.isp + 1,
        stored_kwh=lay.batteries.move(state.stored_kwh, battery, lay.hours),
        charged_kwh=state.charged_kwh + np.maximum(-battery, 0.0) * lay.hours,
        discharged_kwh=state.discharged_kwh + np.maximum(battery, 0.0) * lay.hours,
        ev_charged_kwh=state.ev_charged_kwh + charged,
        ev_left_kwh=np.maximum(state.ev_left_kwh - charged, 0.0),
        theta_k=theta,
        ev_denied_kwh=denied,
        theta_forced=forced,
    )


def sites(lay: Layout, now: IspState, power: FloatArray) -> FloatArray:
    """Net injection of every site, (n_sites,) kW."""
    return now.site_load + total(lay.member_site, power, lay.n_sites)


def prices(
    lay: Layout, state: FleetState, now: IspState, energy_value: float
) -> tuple[FloatArray, FloatArray]:
    """Cost of up and saving of down of every member, EUR/MWh (M,).

    ``energy_value`` (EUR/MWh) is what energy is worth to a household. PV loses its feed-in tariff when it is
    curtailed. A battery buys its energy back with round-trip losses, and wears. An EV and a heat pump shift
    consumption, which costs inconvenience; discomfort costs more the further theta already deviates.
    """
    round_trip = lay.batteries.charge_efficiency * lay.batteries.discharge_efficiency
    tilt = state.theta_k / lay.pumps.band_k
    colder = lay.pump_cost * (1.0 + np.maximum(-tilt, 0.0))
    warmer = lay.pump_cost * (1.0 + np.maximum(tilt, 0.0))
    earned = total(lay.pv_member, lay.pv_feed_in * lay.window.read(now.readings.isp, lay.pv_at), lay.cuts[0])
    pv = now.readings.pv
    feed_in = np.divide(earned, pv, out=np.zeros(len(pv)), where=pv > 0)
    up = np.concatenate(
        [
            np.zeros(len(pv)),
            energy_value / round_trip + lay.battery_wear,
            energy_value + lay.ev_cost,
            energy_value + colder,
        ]
    )
    down = np.concatenate(
        [
            -feed_in,
            energy_value * round_trip - lay.battery_wear,
            energy_value - lay.ev_cost,
            energy_value - warmer,
        ]
    )
    return up, down


def group_offer(lay: Layout, offer_kw: FloatArray, price: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Offered power of groups (G,) kW, and its mean price (EUR/MWh), 0 where nothing is offered."""
    offered = total(lay.member_group, offer_kw, len(lay.groups))
    value = total(lay.member_group, offer_kw * price, len(lay.groups))
    return offered, np.divide(value, offered, out=np.zeros(len(offered)), where=offered > 0)
