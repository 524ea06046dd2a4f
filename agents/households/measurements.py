"""What one ISP brings for a fleet, independent of the state of its devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tandem_sim.agents.devices.device import total
from tandem_sim.agents.households.layout import Layout
from tandem_sim.grids.types import FloatArray


@dataclass(frozen=True, kw_only=True)
class Readings:
    """One ISP, kW. Sites (n_sites,), connections (C,).

    site_load: inflexible load, injection (<= 0). connection_load: inflexible load, consumption positive.
    devices: the reading of each class of the fleet, in the order of ``Layout.devices``.
    """

    isp: int
    site_load: FloatArray
    connection_load: FloatArray
    devices: tuple[Any, ...]


def read(lay: Layout, isp: int) -> Readings:
    """Profile values of an ISP."""
    at, connections = lay.window.read, lay.connections
    return Readings(
        isp=isp,
        site_load=-total(lay.load_site, lay.load_kw * at(isp, lay.load_at), lay.n_sites),
        connection_load=connections.load_kw * at(isp, connections.load_at),
        devices=tuple(group.read(isp) for group in lay.devices),
    )
