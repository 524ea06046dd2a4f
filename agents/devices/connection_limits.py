"""How a household keeps to the limits of its connection: what gives way first, and what headroom is left.

Behind the meter the household decides. Import beyond the limit is met by the battery first, then by what the
car and the heat pump can delay without anybody noticing, then by charging and heating forgone, at last by
switching appliances off. Export beyond it goes into battery, car and heat pump, and what is left of it is
held back by the PV inverter. This order is Tandem's assumption; ALEXANDER D3.3, 3.5.1, only says that DSOs
limit the connection and not the devices behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tandem_sim.agents.devices.models import spread
from tandem_sim.grids.types import FloatArray, IntArray


@dataclass(frozen=True, kw_only=True)
class Connections:
    """C households whose power is worked out one by one. Members of the fleet belong to one of them, or to C.

    `site` (C,), inflexible load as places in the window and the kW they are multiplied by (C,), `member`
    (M,) connection of each member, `cuts` between PV, batteries, EVs and heat pumps among the members,
    `generation_kwh` (C,) of PV in a year.
    """

    site: IntArray
    load_at: IntArray
    load_kw: FloatArray
    member: IntArray
    cuts: tuple[int, int, int]
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
    """Limits of one ISP on the net import and export of every connection, (C,) kW >= 0; inf: none."""

    import_kw: FloatArray
    export_kw: FloatArray

    def tighter(self, other: ConnectionLimits) -> ConnectionLimits:
        """Both at once."""
        return ConnectionLimits(
            np.minimum(self.import_kw, other.import_kw), np.minimum(self.export_kw, other.export_kw)
        )


@dataclass(frozen=True)
class PermanentLimits:
    """Limits known from the start: those of connections, of permanent contracts, and of fixed hours.

    `which` (T,) says which of `connection_limits` hold in an ISP; the first are those of the connections
    alone.
    """

    connection_limits: tuple[ConnectionLimits, ...]
    which: IntArray

    def at(self, isp: int, also: ConnectionLimits | None) -> ConnectionLimits:
        """The limits of an ISP, together with what was activated for it."""
        connection_limits = self.connection_limits[int(self.which[isp])]
        return connection_limits if also is None else connection_limits.tighter(also)


@dataclass(frozen=True, kw_only=True)
class LvConnections:
    """What low-voltage feeders bring to a fleet of H households.

    connection_of (H,): number 0..C-1 of households that are worked out one by one, -1 for the others.
    standing: limits of connections known from the start. rush_isp (H,): ISP in which a household plugs in its
    car to charge rush_kwh (H,) at full power, before a journey; -1 for those that do not. phases_of (H,):
    phases of the net that a household is on, 0 where no net says so.
    """

    connection_of: IntArray
    permanent: PermanentLimits | None = None
    plug_in_isp: IntArray | None = None
    plug_in_kwh: FloatArray | None = None
    phases_of: IntArray | None = None


@dataclass(frozen=True, kw_only=True)
class Compliance:
    """What keeping to limits makes of an ISP.

    base (M,): baseline of every member. up, down (M,): share of its freedom around that baseline that each
    member may still use, so that no order breaks the limit. denied_kw (E,): charging given up that was not on
    offer; forced_kw (P,): heating forgone beyond the comfort band. shed_kw (C,): appliances switched off.
    """

    base: FloatArray
    up: FloatArray
    down: FloatArray
    denied_kw: FloatArray
    forced_kw: FloatArray
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

    wish (M,): what members would do unasked; low, high (M,): their bounds in this ISP without discomfort;
    load_kw (C,): inflexible load. All injections in kW.
    """
    n, owner = len(connections), connections.member
    kind = np.searchsorted(np.array(connections.cuts), np.arange(len(owner)), side="right")
    pv, battery, shifts = kind == 0, kind == 1, kind > 1
    power = unconstrained.copy()

    def give(wanted: FloatArray, feasible_range: FloatArray, sign: float) -> tuple[FloatArray, FloatArray]:
        """Move members up or down by what their connection wants, as far as they reach."""
        share, left = spread(np.append(wanted, 0.0), owner, np.where(owner < n, feasible_range, 0.0))
        np.add(power, sign * share, out=power)
        return share, left[:-1]

    net = connections.net_kw(power, load_kw)
    forgone, shed = np.zeros(len(owner)), np.zeros(n)
    excess = np.maximum(-net - connection_limits.import_kw, 0.0)
    if excess.any():
        for first in (battery, shifts):
            _, excess = give(excess, np.where(first, high - unconstrained, 0.0), 1.0)
        forgone, shed = give(excess, np.where(shifts, -power, 0.0), 1.0)
    excess = np.maximum(net - connection_limits.export_kw, 0.0)
    if excess.any():
        _, excess = give(excess, np.where(battery | shifts, unconstrained - low, 0.0), -1.0)
        give(excess, np.where(pv, power, 0.0), -1.0)
    _, _, denied, forced = np.split(forgone, connections.cuts)
    net = connections.net_kw(power, load_kw - shed)
    up = _freedom(owner, np.maximum(high - power, 0.0), connection_limits.export_kw - net)
    down = _freedom(owner, np.maximum(power - low, 0.0), connection_limits.import_kw + net)
    return Compliance(base=power, up=up, down=down, denied_kw=denied, forced_kw=forced, shed_kw=shed)


def _freedom(owner: IntArray, feasible_range: FloatArray, room_kw: FloatArray) -> FloatArray:
    """Share of their reach (M,) that members may use so that all of a connection's together keep its room."""
    wanted = np.bincount(owner, feasible_range, len(room_kw) + 1)[:-1]
    room = np.maximum(room_kw, 0.0)
    share = np.divide(room, wanted, out=np.ones(len(room)), where=wanted > room)
    return np.asarray(np.append(share, 1.0)[owner])
