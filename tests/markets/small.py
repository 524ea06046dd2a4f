"""Small systems for tests, made from arrays: random radial grids, books of bids and whole cases."""

from __future__ import annotations

from functools import cache

import numpy as np
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.arrays import FloatArray, IntArray
from tandem_sim.grids.branches import Branches
from tandem_sim.grids.dc import DcModel, TransmissionGrid
from tandem_sim.grids.lindistflow import LinDistFlow
from tandem_sim.grids.network import Network
from tandem_sim.grids.powerflow import PowerFlow
from tandem_sim.grids.rows import GridRows, distribution_rows
from tandem_sim.markets.bids import Bids
from tandem_sim.markets.case import Area, Case
from tests.nets import empty_net


@cache
def _no_net() -> pandapowerNet:
    """A stand-in for the pandapower net, which none of these tests looks at."""
    return empty_net()


def network(
    from_node: IntArray,
    to_node: IntArray,
    x_pu: FloatArray,
    s_max_mva: FloatArray,
    p_mw: FloatArray,
    band: tuple[float, float] = (0.9, 1.1),
    name: str = "small",
    tan_phi: float = 1.0 / 3.0,
) -> Network:
    """A grid of 20 kV nodes rooted at node 0, bus k being node k; r is half of x, q is `tan_phi` of p."""
    n, e = len(p_mw), len(from_node)
    i_max = s_max_mva / np.sqrt(3.0) / 20.0
    branches = Branches(
        label=tuple(f"line {k}" for k in range(e)),
        from_node=from_node,
        to_node=to_node,
        r_pu=x_pu / 2.0,
        x_pu=x_pu,
        b_pu=np.zeros(e),
        g_pu=np.zeros(e),
        tap=np.ones(e),
        shift_rad=np.zeros(e),
        s_max_mva=s_max_mva,
        i_max_from_ka=i_max,
        i_max_to_ka=i_max,
    )
    return Network(
        name=name,
        base_mva=10.0,
        bus_index=np.arange(n),
        bus_node=np.arange(n),
        vm_min_pu=np.full(n, band[0]),
        vm_max_pu=np.full(n, band[1]),
        node_vn_kv=np.full(n, 20.0),
        root=0,
        root_vm_pu=1.0,
        p_mw=p_mw,
        q_mvar=p_mw * tan_phi,
        shunt_g_pu=np.zeros(n),
        shunt_b_pu=np.zeros(n),
        pv_node=np.empty(0, dtype=np.int64),
        pv_vm_pu=np.empty(0),
        pv_q_mvar=np.empty((2, 0)),
        branches=branches,
        net=_no_net(),
    )


def random_tree(rng: np.random.Generator, slack: float = 1.3) -> Network:
    """A radial grid of 3 to 12 nodes whose ratings average `slack` times what the base state needs."""
    n = int(rng.integers(3, 13))
    parent = np.array([int(rng.integers(0, k)) for k in range(1, n)])
    p = np.concatenate([[0.0], rng.uniform(-1.0, 0.5, n - 1)])
    draw = network(parent, np.arange(1, n), rng.uniform(0.005, 0.05, n - 1), np.full(n - 1, 1e3), p)
    flow = np.abs(LinDistFlow.build(draw).state(p, 0.0 * p).flow_mw)
    rating = np.hypot(flow, flow / 3.0) * rng.uniform(2.0 * slack - 2.0, 2.0, n - 1) + 0.1
    band = (1.0 - float(rng.uniform(0.01, 0.1)), 1.0 + float(rng.uniform(0.01, 0.1)))
    flip = rng.random(n - 1) < 0.5  # branches may be drawn either way
    ends = np.where(flip, np.arange(1, n), parent), np.where(flip, parent, np.arange(1, n))
    return network(*ends, draw.branches.x_pu, rating, p, band)


def random_bids(rng: np.random.Generator, n_nodes: int, n: int, prefix: str = "b") -> Bids:
    """A book of `n` bids of both directions with distinct prices, up dearer than down."""
    direction = rng.choice([-1, 1], n)
    price = np.where(direction > 0, rng.uniform(50.0, 100.0, n), rng.uniform(0.0, 45.0, n))
    ids = [f"{prefix}{k}" for k in range(n)]
    return Bids.of(ids, ids, rng.integers(0, n_nodes, n), direction, rng.uniform(0.05, 1.0, n), price)


def area(grid: Network, bids: Bids) -> Area:
    """A distribution area with linear offsets."""
    lin = LinDistFlow.build(grid)
    return Area(grid, lin, rows_of(grid), bids, PowerFlow(grid))


def rows_of(grid: Network) -> GridRows:
    """LinDistFlow rows at the base state of a grid."""
    return distribution_rows(LinDistFlow.build(grid), grid.p_mw, grid.q_mvar)


def random_case(rng: np.random.Generator) -> Case:
    """A triangle of transmission without ratings, two radial areas on it, some 30 bids, and a need."""
    areas = {}
    for k, name in enumerate(("D1", "D2")):
        grid = random_tree(rng)
        areas[name] = area(grid, random_bids(rng, grid.n_nodes, 10, f"d{k}-"))
    interface = {name: a.network.interface_mw for name, a in areas.items()}
    p = np.array([0.0, interface["D1"], interface["D2"]])  # generation beside each area
    p[0] = rng.uniform(-1.0, 1.0)
    triangle = network(np.array([0, 1, 0]), np.array([1, 2, 2]), np.full(3, 0.1), np.full(3, np.inf), p)
    transmission = TransmissionGrid(DcModel.build(triangle), p, {"D1": 1, "D2": 2}, interface)
    return Case("random", transmission, random_bids(rng, 3, 10, "t-"), areas)
