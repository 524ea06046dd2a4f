"""Small systems: random ones, and ones that can be cleared by hand. Everything in them is synthetic.

Injection is positive, consumption negative; powers in MW, prices in EUR/MWh.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tandem_sim.grids.network.made import network
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.power_flow.ac import PowerFlow
from tandem_sim.grids.power_flow.constraints import GridConstraints, distribution_constraints
from tandem_sim.grids.power_flow.dc import DcModel, TransmissionGrid
from tandem_sim.grids.power_flow.lindistflow import LinDistFlow
from tandem_sim.markets.cases.case import Case, CaseArea
from tandem_sim.markets.orders.bids import Bids

Row = tuple[str, int, int, float, float]
"""Bid id, node, direction, MW, EUR/MWh."""


def random_tree(
    rng: np.random.Generator, slack: float = 1.3, band: tuple[float, float] | None = None
) -> Network:
    """A radial grid of 3 to 12 nodes whose ratings average `slack` times what the base state needs.

    From 1.5 on no rating is below that. The voltage band (p.u.) is drawn unless it is given.
    """
    n = int(rng.integers(3, 13))
    parent = np.array([int(rng.integers(0, k)) for k in range(1, n)])
    p = np.concatenate([[0.0], rng.uniform(-1.0, 0.5, n - 1)])
    draw = network(parent, np.arange(1, n), rng.uniform(0.005, 0.05, n - 1), np.full(n - 1, 1e3), p)
    flow = np.abs(LinDistFlow.build(draw).state(p, 0.0 * p).flow_mw)
    rating = np.hypot(flow, flow / 3.0) * rng.uniform(2.0 * slack - 2.0, 2.0, n - 1) + 0.1
    drawn = (1.0 - float(rng.uniform(0.01, 0.1)), 1.0 + float(rng.uniform(0.01, 0.1)))
    flip = rng.random(n - 1) < 0.5  # branches may be drawn either way
    ends = np.where(flip, np.arange(1, n), parent), np.where(flip, parent, np.arange(1, n))
    return network(*ends, draw.branches.x_pu, rating, p, drawn if band is None else band)


def random_bids(
    rng: np.random.Generator, n_nodes: int, n: int, prefix: str = "b", down_below: float = 45.0
) -> Bids:
    """A book of `n` bids of both directions with distinct prices: up 50 to 100, down up to `down_below`."""
    direction = rng.choice([-1, 1], n)
    price = np.where(direction > 0, rng.uniform(50.0, 100.0, n), rng.uniform(0.0, down_below, n))
    ids = [f"{prefix}{k}" for k in range(n)]
    return Bids.of(ids, ids, rng.integers(0, n_nodes, n), direction, rng.uniform(0.05, 1.0, n), price)


def area(grid: Network, bids: Bids) -> CaseArea:
    """A distribution area with linear offsets."""
    lin = LinDistFlow.build(grid)
    return CaseArea(network=grid, lin=lin, rows=rows_of(grid), bids=bids, power_flow=PowerFlow(grid))


def rows_of(grid: Network) -> GridConstraints:
    """LinDistFlow rows at the base state of a grid."""
    return distribution_constraints(LinDistFlow.build(grid), grid.p_mw, grid.q_mvar)


def random_case(
    rng: np.random.Generator,
    slack: float = 1.3,
    band: tuple[float, float] | None = None,
    down_below: float = 45.0,
    line_mva: float = np.inf,
) -> Case:
    """A triangle of transmission, two radial areas on it, 30 bids, and a need of at most 1 MW either way.

    `slack` and `band` as in `random_tree`, `down_below` as in `random_bids`; `line_mva` rates the triangle.
    """
    areas = {}
    for k, name in enumerate(("D1", "D2")):
        grid = random_tree(rng, slack, band)
        areas[name] = area(grid, random_bids(rng, grid.n_nodes, 10, f"d{k}-", down_below))
    interface = {name: a.network.interface_mw for name, a in areas.items()}
    p = np.array([0.0, interface["D1"], interface["D2"]])  # generation beside each area
    p[0] = rng.uniform(-1.0, 1.0)
    ends = np.array([0, 1, 0]), np.array([1, 2, 2])
    triangle = network(*ends, np.full(3, 0.1), np.full(3, line_mva), p)
    transmission = TransmissionGrid(DcModel.build(triangle), p, {"D1": 1, "D2": 2}, interface)
    return Case(
        name="random",
        transmission=transmission,
        tso_bids=random_bids(rng, 3, 10, "t-", down_below),
        areas=areas,
    )


def book(*rows: Row, demand: tuple[str, ...] = ()) -> Bids:
    """A book of bids; those in `demand` buy."""
    if not rows:
        return Bids.empty()
    ids, node, direction, quantity, price = zip(*rows, strict=True)
    return Bids.of(ids, ids, node, direction, quantity, price, [i in demand for i in ids])


def feeder(
    bids: Bids, limit_mw: float, base_mw: tuple[float, float] = (0.0, 0.0), name: str = "D"
) -> CaseArea:
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


def system(need_mw: float, tso_bids: Bids, **areas: CaseArea) -> Case:
    """A system that lacks `need_mw` of injection beside what the areas draw; transmission has no limits."""
    interface = {name: a.network.interface_mw for name, a in areas.items()}
    p = np.array([sum(interface.values()) - need_mw, 0.0])
    line = network(np.array([0]), np.array([1]), np.array([0.1]), np.array([np.inf]), p)
    grid = TransmissionGrid(DcModel.build(line), p, dict.fromkeys(areas, 1), interface)
    return Case(name="by hand", transmission=grid, tso_bids=tso_bids, areas=areas)


def over_line(case: Case, line_mw: float) -> Case:
    """The system with a line that carries `line_mw` from node 0, where the need stands, to areas at 1."""
    grid = case.transmission
    line = network(np.array([0]), np.array([1]), np.array([0.1]), np.array([line_mw]), grid.p_mw)
    return replace(case, transmission=replace(grid, dc=DcModel.build(line)))
