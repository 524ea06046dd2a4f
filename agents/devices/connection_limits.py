"""How a household keeps within the limits of its connection: the order of its devices, and the headroom left.

The household decides behind the meter. Import beyond the limit is reduced first by the battery, then by what
the EV, the heat pump and other consuming devices can delay without discomfort, then by charging and heating
forgone, last by switching appliances off. Export beyond the limit first charges the battery and raises the
consumption of these devices; PV is curtailed by the rest.
This order is Tandem's assumption; ALEXANDER D3.3, 3.5.1, only states that DSOs limit the connection and not
the devices behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tandem_sim.agents.devices.device import DEMAND, GENERATION, STORAGE, spread
from tandem_sim.grids.types import FloatArray, IntArray


@dataclass(frozen=True, kw_only=True)
class Connections:
    """C households whose power is computed one by one.

    `site` (C,); inflexible load: places in the profile window `load_at` (C,), multiplied by `load_kw` (C,);
    `member` (M,): connection of each member, C for members of other households; `part` (M,): whether a member
    is GENERATION, STORAGE or DEMAND; `generation_kwh` (C,): PV generation in a year.
    """

    site: IntArray
    load_at: IntArray
    load_kw: FloatArray
    member: IntArray
    part: IntArray
    generation_kwh: FloatArray

    def __len__(self) -> int:
        """Return the number of connections."""
        return len(self.site)

    def net_kw(self, power: FloatArray, load_kw: FloatArray) -> FloatArray:
        """Net injection of every connection (C,) kW: members' power (M,) less inflexible load (C,)."""
        if not len(self):
            return np.empty(0)
        whole = np.bincount(self.member, power, len(self) + 1).astype(np.float64, copy=False)
        net: FloatArray = whole[:-1] - load_kw
        return net


@dataclass(frozen=True)
class ConnectionLimits:
    """Limits on net import and export of every connection in one ISP, (C,) kW >= 0; inf: no limit."""

    import_kw: FloatArray
    export_kw: FloatArray

    def tighter(self, other: ConnectionLimits) -> ConnectionLimits:
        """The tighter of both limits at every connection."""
        return ConnectionLimits(
            np.minimum(self.import_kw, other.import_kw), np.minimum(self.export_kw, other.export_kw)
        )


@dataclass(frozen=True)
class PermanentLimits:
    """Limits known from the start: connection capacities, permanent contracts, contracts for fixed hours.

    `which` (T,) is the index of the limits that hold in an ISP; index 0 is the connection capacities alone.
    """

    connection_limits: tuple[ConnectionLimits, ...]
    which: IntArray

    def at(self, isp: int, also: ConnectionLimits | None) -> ConnectionLimits:
        """The limits of an ISP together with those activated for it."""
        connection_limits = self.connection_limits[int(self.which[isp])]
        return connection_limits if also is None else connection_limits.tighter(also)


@dataclass(frozen=True, kw_only=True)
class LvConnections:
    """Connections of a fleet of H households on modelled low-voltage feeders.

    connection_of (H,): number 0..C-1 of a household on a modelled feeder, -1 for others. permanent: limits
    known from the start. Simultaneous EV plug-in: plug_in_isp (H,) is the ISP in which a household plugs in
    its EV before a journey, to charge plug_in_kwh (H,) at full power; -1 for none. phases_of (H,): number of
    phases by the feeder's net, 0 where no net gives it.
    """

    connection_of: IntArray
    permanent: PermanentLimits | None = None
    plug_in_isp: IntArray | None = None
    plug_in_kwh: FloatArray | None = None
    phases_of: IntArray | None = None


@dataclass(frozen=True, kw_only=True)
class Compliance:
    """An ISP with every connection within its limits.

    base (M,): baseline of every member. up, down (M,): share of the range around that baseline that each
    member may still use, so that no order breaks a limit. forgone_kw (M,): consumption given up beyond what
    can be delayed without discomfort. shed_kw (C,): appliances switched off.
    """

    base: FloatArray
    up: FloatArray
    down: FloatArray
    forgone_kw: FloatArray
    shed_kw: FloatArray


def comply(
    connections: Connections,
    unconstrained: FloatArray,
    low: FloatArray,
    high: FloatArray,
    load_kw: FloatArray,
    connection_limits: ConnectionLimits,
) -> Compliance:
    """Bring every connection within its limits.

    unconstrained (M,): baseline of members without limits; low, high (M,): their bounds in this ISP without
    discomfort; load_kw (C,): inflexible load, consumption positive. Other powers are injections in kW.
    """
    n, owner, part = len(connections), connections.member, connections.part
    pv, battery, shifts = part == GENERATION, part == STORAGE, part == DEMAND
    power = unconstrained.copy()

    def shift(needed: FloatArray, feasible: FloatArray, sign: float) -> tuple[FloatArray, FloatArray]:
        """Change members by what their connection needs, within what is feasible; and the rest needed."""
        share, left = spread(np.append(needed, 0.0), owner, np.where(owner < n, feasible, 0.0))
        np.add(power, sign * share, out=power)
        return share, left[:-1]

    net = connections.net_kw(power, load_kw)
    forgone, shed = np.zeros(len(owner)), np.zeros(n)
    excess = np.maximum(-net - connection_limits.import_kw, 0.0)
    if excess.any():
        for first in (battery, shifts):
            _, excess = shift(excess, np.where(first, high - unconstrained, 0.0), 1.0)
        forgone, shed = shift(excess, np.where(shifts, np.maximum(-power, 0.0), 0.0), 1.0)
    excess = np.maximum(net - connection_limits.export_kw, 0.0)
    if excess.any():
        _, excess = shift(excess, np.where(battery | shifts, unconstrained - low, 0.0), -1.0)
        shift(excess, np.where(pv, power, 0.0), -1.0)
    net = connections.net_kw(power, load_kw - shed)
    up = _usable_share(owner, np.maximum(high - power, 0.0), connection_limits.export_kw - net)
    down = _usable_share(owner, np.maximum(power - low, 0.0), connection_limits.import_kw + net)
    return Compliance(base=power, up=up, down=down, forgone_kw=forgone, shed_kw=shed)


def _usable_share(owner: IntArray, feasible_kw: FloatArray, room_kw: FloatArray) -> FloatArray:
    """Share of their feasible range (M,) that members may use together within their connection's headroom."""
    total = np.bincount(owner, feasible_kw, len(room_kw) + 1)[:-1]
    room = np.maximum(room_kw, 0.0)
    share = np.divide(room, total, out=np.ones(len(room)), where=total > room)
    return np.asarray(np.append(share, 1.0)[owner])
