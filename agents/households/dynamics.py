"""Dynamics of a household fleet: one ISP of all devices, as functions of its layout and state.

States are immutable: ``arrive`` and ``move`` return new ones. Members are the M devices of ``Layout``, class
by class. Powers are injections in kW.
"""

from dataclasses import dataclass, replace

import numpy as np

from tandem_sim.agents.devices.connection_limits import Compliance, ConnectionLimits, comply
from tandem_sim.agents.devices.device import Limits, joined, spread, total
from tandem_sim.agents.households.layout import FleetState, Layout
from tandem_sim.agents.households.measurements import Readings
from tandem_sim.grids.types import FloatArray


@dataclass(frozen=True, kw_only=True)
class IspState:
    """One ISP before activation: baseline of members (M,), inflexible load of sites (n_sites,), readings.

    unconstrained (M,): baseline without connection limits. compliance: how connections are brought within
    their limits, None without limits.
    """

    readings: Readings
    base: FloatArray
    site_load: FloatArray
    unconstrained: FloatArray
    compliance: Compliance | None = None


def arrive(lay: Layout, state: FleetState, readings: Readings) -> FleetState:
    """What arrives and leaves at the beginning of an ISP, in every class."""
    parts = zip(lay.devices, state.devices, readings.devices, strict=True)
    return replace(state, devices=tuple(group.arrive(s, r) for group, s, r in parts))


def isp_state(
    lay: Layout, state: FleetState, readings: Readings, connection_limits: ConnectionLimits | None = None
) -> IspState:
    """Baseline of every member within connection limits, for a state after ``arrive``."""
    base = joined(_baselines(lay, state, readings))
    now = IspState(readings=readings, base=base, site_load=readings.site_load, unconstrained=base)
    return now if connection_limits is None else _within(lay, state, now, connection_limits)


def _baselines(lay: Layout, state: FleetState, readings: Readings) -> list[FloatArray]:
    """Baseline of each class without connection limits; storage comes last, and follows all others."""
    found: dict[int, FloatArray] = {}
    order = sorted(range(len(lay.devices)), key=lambda place: place in lay.fed)
    for place in order:
        behind = [(fed.storage, found[fed.by][fed.at]) for fed in lay.fed.get(place, ())]
        found[place] = lay.devices[place].baseline(state.devices[place], readings.devices[place], behind)
    return [found[place] for place in range(len(lay.devices))]


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
    parts = zip(lay.devices, state.devices, now.readings.devices, lay.split(now.base), strict=True)
    ranges = [group.feasible_range(s, r, base, isps) for group, s, r, base in parts]
    low, high = joined([low for low, _ in ranges]), joined([high for _, high in ranges])
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
    powers, forgone = lay.split(power), [None] * len(lay.devices)
    withheld = forgone if now.compliance is None else lay.split(now.compliance.forgone_kw)
    parts = zip(lay.devices, state.devices, now.readings.devices, powers, withheld, strict=True)
    return FleetState(
        next_isp=now.readings.isp + 1,
        devices=tuple(group.move(s, r, kw, lost) for group, s, r, kw, lost in parts),
    )


def sites(lay: Layout, now: IspState, power: FloatArray) -> FloatArray:
    """Net injection of every site, (n_sites,) kW."""
    return now.site_load + total(lay.member_site, power, lay.n_sites)


def prices(
    lay: Layout, state: FleetState, now: IspState, feasible: Limits, energy_value: float
) -> tuple[FloatArray, FloatArray]:
    """Cost of up and saving of down of every member, EUR/MWh (M,), over a feasible range of members.

    ``energy_value`` (EUR/MWh) is what energy is worth to a household.
    """
    low, high = map(lay.split, feasible)
    parts = zip(lay.devices, state.devices, now.readings.devices, lay.split(now.base), low, high, strict=True)
    found = [
        group.cost(s, r, base, (lowest, highest), energy_value)
        for group, s, r, base, lowest, highest in parts
    ]
    return joined([up for up, _ in found]), joined([down for _, down in found])


def group_offer(lay: Layout, offer_kw: FloatArray, price: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Offered power of groups (G,) kW, and its mean price (EUR/MWh), 0 where nothing is offered."""
    offered = total(lay.member_group, offer_kw, len(lay.groups))
    value = total(lay.member_group, offer_kw * price, len(lay.groups))
    return offered, np.divide(value, offered, out=np.zeros(len(offered)), where=offered > 0)
