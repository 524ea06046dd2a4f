"""How a household fleet moves: one ISP of all devices, as functions of its layout and state.

Only ``arrive`` and ``advance`` change the state they are given. Members are the M devices of ``Layout``:
PV groups, batteries, EVs, heat pumps, in this order. Powers are injections in kW.
"""

from dataclasses import dataclass, replace

import numpy as np

from agents.compliance import Caps, Kept, comply
from agents.devices import Limits, spread
from agents.fleet_layout import FleetState, Layout
from agents.windows import ENERGY, GAP, LENGTH, LEVEL
from grids.arrays import BoolArray, FloatArray, IntArray

RUSH_STAY_H = 14.0
"""Hours that a car is plugged in before a journey: from the evening to the next morning."""


@dataclass(frozen=True)
class Now:
    """One ISP before activation: members' baseline (M,), sites' inflexible load (n_sites,), measurements.

    pump_measured (P,): measured consumption, >= 0. ev_isps (E,): ISPs left until departure, this one
    included. wish (M,): baseline had no connection been limited; `kept` says how limits were kept, if any.
    """

    isp: int
    base: FloatArray
    site_load: FloatArray
    pump_measured: FloatArray
    ev_isps: IntArray
    wish: FloatArray
    kept: Kept | None = None


def total(index: IntArray, values: FloatArray, n: int) -> FloatArray:
    """Sum ``values`` by ``index`` into n places."""
    # With an empty index numpy counts in integers even though weights are given.
    return np.bincount(index, values, n).astype(np.float64, copy=False)


def arrive(lay: Layout, state: FleetState, isp: int) -> None:
    """Let EVs leave and plug in; what is still owed at departure is booked as short."""
    late = (state.ev_depart_isp <= isp) & (state.ev_left_kwh > 0)
    if late.any():
        state.ev_short_kwh[late] += state.ev_left_kwh[late]
        state.ev_left_kwh[late] = 0.0
    _rush(lay, state, isp)
    energy = np.where(_rushing(lay, isp), 0.0, lay.window.read(isp, lay.ev_at))
    new = np.flatnonzero(energy)
    if not len(new):
        return
    at, rated = lay.ev_at[new] - ENERGY, lay.ev_kw[new]
    length, gap, level = (lay.window.read(isp, at + column) for column in (LENGTH, GAP, LEVEL))
    stay = np.minimum(np.maximum(lay.vehicles.parking_isps[new], length), gap)
    need = energy[new] * rated
    state.ev_left_kwh[new] = need
    state.ev_needed_kwh[new] += need
    state.ev_depart_isp[new] = isp + stay.astype(np.int64)
    state.ev_limit_kw[new] = level * rated


def _rushing(lay: Layout, isp: int) -> BoolArray:
    """Cars (E,) plugged in before a journey."""
    night = round(RUSH_STAY_H / lay.hours)
    return np.asarray((lay.rush_isp >= 0) & (isp >= lay.rush_isp) & (isp < lay.rush_isp + night))


def _rush(lay: Layout, state: FleetState, isp: int) -> None:
    """Cars plug in to be full before a journey: at full power, in place of the sessions until they leave."""
    now = np.flatnonzero((lay.rush_isp == isp) & (lay.rush_isp >= 0))
    state.ev_left_kwh[now] += lay.rush_kwh[now]
    state.ev_needed_kwh[now] += lay.rush_kwh[now]
    state.ev_depart_isp[now] = isp + round(RUSH_STAY_H / lay.hours)
    state.ev_limit_kw[now] = lay.ev_kw[now]


def look(lay: Layout, state: FleetState, isp: int, caps: Caps | None = None) -> Now:
    """Baseline of every member at ``isp`` within ``caps``; ``arrive`` has been called on the state for it."""
    read = lay.window.read
    load = -total(lay.load_site, lay.load_kw * read(isp, lay.load_at), lay.n_sites)
    pv = total(lay.pv_member, lay.pv_kwp * read(isp, lay.pv_at), lay.cuts[0])
    ev_isps = state.ev_depart_isp - isp
    ev = lay.vehicles.baseline(state.ev_left_kwh, ev_isps, state.ev_limit_kw, lay.hours, _rushing(lay, isp))
    measured = lay.pumps.power_kw * read(isp, lay.pump_at)
    pump = lay.pumps.baseline(state.theta_k, measured)
    surplus = lay.battery_pv_kwp * read(isp, lay.battery_pv_at)
    surplus -= lay.battery_load_kw * read(isp, lay.battery_load_at)
    surplus[lay.battery_of_ev] += ev[lay.ev_of_battery]
    surplus[lay.battery_of_pump] += pump[lay.pump_of_battery]
    battery = lay.batteries.baseline(state.stored_kwh, surplus, lay.hours)
    base = np.concatenate([pv, battery, ev, pump])
    now = Now(isp, base, load, measured, ev_isps, base)
    return now if caps is None else _within(lay, state, now, caps)


def connection_load(lay: Layout, isp: int) -> FloatArray:
    """Inflexible load of every connection (C,) kW, consumption positive."""
    return lay.connections.load_kw * lay.window.read(isp, lay.connections.load_at)


def _within(lay: Layout, state: FleetState, now: Now, caps: Caps) -> Now:
    """The ISP with every connection inside its limits."""
    low, high = bounds(lay, state, now)
    kept = comply(lay.connections, now.wish, low, high, connection_load(lay, now.isp), caps)
    served = now.site_load + total(lay.connections.site, kept.shed_kw, lay.n_sites)
    return replace(now, base=kept.base, site_load=served, kept=kept)


def limits(lay: Layout, state: FleetState, now: Now, isps: int) -> Limits:
    """Lowest and highest injection of every member, bearable for ``isps`` ISPs (1, or ``lay.sustain``)."""
    pv, battery, ev, pump = np.split(now.base, lay.cuts)
    low_b, high_b = lay.batteries.limits(state.stored_kwh, battery, lay.hours, isps)
    low_e, high_e = lay.vehicles.limits(
        state.ev_left_kwh, now.ev_isps, state.ev_limit_kw, ev, lay.hours, isps
    )
    hurry = _rushing(lay, now.isp)  # their owners offer nothing
    low_e, high_e = np.where(hurry, ev, low_e), np.where(hurry, ev, high_e)
    decay = lay.pumps.decay if isps == 1 else lay.pump_decay_sustained
    heating = lay.window.read(now.isp, lay.heating_at) > 0
    low_p, high_p = lay.pumps.limits(state.theta_k, now.pump_measured, heating, pump, decay)
    low = np.concatenate([np.zeros(len(pv)), low_b, low_e, low_p])
    high = np.concatenate([pv, high_b, high_e, high_p])
    if now.kept is not None:
        base = now.base
        return base - now.kept.down * (base - low), base + now.kept.up * (high - base)
    return low, high


def bounds(lay: Layout, state: FleetState, now: Now) -> Limits:
    """What ``activate`` can make of every member in this ISP: the wider of both limits it goes by."""
    (low, high), (least, most) = limits(lay, state, now, lay.sustain), limits(lay, state, now, 1)
    return np.minimum(low, least), np.maximum(high, most)


def activate(lay: Layout, state: FleetState, now: Now, net_kw: FloatArray) -> FloatArray:
    """Power of every member when groups are wanted to change by ``net_kw`` (G,), up positive.

    Sustained offers are used first; what they lack is taken from the physical bounds of this ISP.
    """
    up, down = np.maximum(net_kw, 0.0), np.maximum(-net_kw, 0.0)
    power = now.base
    for isps in (lay.sustain, 1):
        low, high = limits(lay, state, now, isps)
        start = power
        if up.any():
            more, up = spread(up, lay.member_group, np.maximum(high - start, 0.0))
            power = power + more
        if down.any():
            less, down = spread(down, lay.member_group, np.maximum(start - low, 0.0))
            power = power - less
        if not (up.any() or down.any()):
            break
    return power


def advance(
    lay: Layout, state: FleetState, isp: int, net_kw: FloatArray | None, caps: Caps | None = None
) -> tuple[Now, FloatArray]:
    """Move the state over ``isp``; return what was before activation and the members' actual power."""
    arrive(lay, state, isp)
    now = look(lay, state, isp, caps)
    power = now.base if net_kw is None else activate(lay, state, now, net_kw)
    battery, ev, pump = np.split(power, lay.cuts)[1:]
    state.stored_kwh = lay.batteries.move(state.stored_kwh, battery, lay.hours)
    state.charged_kwh += np.maximum(-battery, 0.0) * lay.hours
    state.discharged_kwh += np.maximum(battery, 0.0) * lay.hours
    charged = -ev * lay.hours
    state.ev_charged_kwh += charged
    state.ev_left_kwh = np.maximum(state.ev_left_kwh - charged, 0.0)
    state.theta_k = lay.pumps.move(state.theta_k, now.pump_measured, pump)
    if now.kept is not None:
        state.ev_denied_kwh += now.kept.denied_kw * lay.hours
        state.theta_forced[now.kept.forced_kw > 0] = 1.0
    if len(lay.connections):
        state.theta_forced[np.abs(state.theta_k) <= lay.pumps.band_k] = 0.0
    state.next_isp = isp + 1
    return now, power


def sites(lay: Layout, now: Now, power: FloatArray) -> FloatArray:
    """Net injection of every site, (n_sites,)."""
    return now.site_load + total(lay.member_site, power, lay.n_sites)


def prices(lay: Layout, state: FleetState, now: Now, energy_value: float) -> tuple[FloatArray, FloatArray]:
    """Cost of up and saving of down of every member, EUR/MWh (M,), for energy worth ``energy_value`` at home.

    PV loses its feed-in tariff when held back. A battery buys back what it gave, round trip, and wears. An EV
    and a heat pump shift consumption, at inconvenience; discomfort is dearer the further theta already is
    off.
    """
    round_trip = lay.batteries.charge_efficiency * lay.batteries.discharge_efficiency
    tilt = state.theta_k / lay.pumps.band_k
    colder = lay.pump_cost * (1.0 + np.maximum(-tilt, 0.0))
    warmer = lay.pump_cost * (1.0 + np.maximum(tilt, 0.0))
    earned = total(lay.pv_member, lay.pv_feed_in * lay.window.read(now.isp, lay.pv_at), lay.cuts[0])
    pv = now.wish[: lay.cuts[0]]
    feed_in = np.divide(earned, pv, out=np.zeros(len(pv)), where=pv > 0)
    up = np.concatenate([
        np.zeros(len(pv)), energy_value / round_trip + lay.battery_wear, energy_value + lay.ev_cost,
        energy_value + colder,
    ])  # fmt: skip
    down = np.concatenate([
        -feed_in, energy_value * round_trip - lay.battery_wear, energy_value - lay.ev_cost,
        energy_value - warmer,
    ])  # fmt: skip
    return up, down


def group_offer(lay: Layout, offer_kw: FloatArray, price: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Offered power of groups (G,) and their mean price weighted by it, 0 where nothing is offered."""
    offered = total(lay.member_group, offer_kw, len(lay.groups))
    value = total(lay.member_group, offer_kw * price, len(lay.groups))
    return offered, np.divide(value, offered, out=np.zeros(len(offered)), where=offered > 0)
