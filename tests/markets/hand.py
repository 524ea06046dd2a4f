"""A system small enough to clear by hand: two transmission nodes, and areas that hang on the second."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tandem_sim.grids.dc import DcModel, TransmissionGrid
from tandem_sim.markets.bids import Bids
from tandem_sim.markets.case import Area, Case
from tests.markets.small import area, network

Row = tuple[str, int, int, float, float]
"""Bid id, node, direction, MW, EUR/MWh."""


def book(*rows: Row, demand: tuple[str, ...] = ()) -> Bids:
    """A book of bids; those in `demand` buy."""
    if not rows:
        return Bids.empty()
    ids, node, direction, quantity, price = zip(*rows, strict=True)
    return Bids.of(ids, ids, node, direction, quantity, price, [i in demand for i in ids])


def feeder(bids: Bids, limit_mw: float, base_mw: tuple[float, float] = (0.0, 0.0), name: str = "D") -> Area:
    """Root, and nodes 1 and 2 in a row behind it; the branch root-1 carries `limit_mw`, 1-2 anything.

    No reactive power, impedances so small that voltages never matter.
    """
    p = np.array([0.0, *base_mw])
    grid = network(
        np.array([0, 1]),
        np.array([1, 2]),
        np.full(2, 1e-6),
        np.array([limit_mw, 1e3]),
        p,
        name=name,
        tan_phi=0.0,
    )
    return area(grid, bids)


def system(need_mw: float, tso_bids: Bids, **areas: Area) -> Case:
    """A system that lacks `need_mw` of injection beside what the areas draw; transmission has no limits."""
    interface = {name: a.network.interface_mw for name, a in areas.items()}
    p = np.array([sum(interface.values()) - need_mw, 0.0])
    line = network(np.array([0]), np.array([1]), np.array([0.1]), np.array([np.inf]), p)
    grid = TransmissionGrid(DcModel.build(line), p, dict.fromkeys(areas, 1), interface)
    return Case("by hand", grid, tso_bids, areas)


def over_line(case: Case, line_mw: float) -> Case:
    """The system with a line that carries `line_mw` from node 0, where the need stands, to areas at 1."""
    grid = case.transmission
    line = network(np.array([0]), np.array([1]), np.array([0.1]), np.array([line_mw]), grid.p_mw)
    return replace(case, transmission=replace(grid, dc=DcModel.build(line)))
