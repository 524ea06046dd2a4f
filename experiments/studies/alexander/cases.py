"""Synthetic cases of four kinds, built the way ALEXANDER D3.3 (chapter 4.2) describes its own.

IEEE 14-bus transmission with the 69-bus feeder of Baran and Wu at bus 4 and the 141-bus feeder of Khodr et
al. at bus 9. The deliverable gives the kinds, the price ranges and the results, but neither injections,
ratings nor bids: all that is drawn here is synthetic. The recipe is read off five cases whose data are known
(bundled as ``alexander-a`` to ``-d`` and ``-v``). Injection is positive; MW, EUR/MWh.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from tandem_sim.grids.io.read import load_network
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.power_flow.ac import PowerFlow
from tandem_sim.grids.power_flow.constraints import distribution_constraints
from tandem_sim.grids.power_flow.dc import DcModel, TransmissionGrid
from tandem_sim.grids.power_flow.lindistflow import LinDistFlow
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray
from tandem_sim.markets.cases.case import Case, CaseArea
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.markets.orders.bids import DOWN, UP, Bids
from tandem_sim.sim.clock.randomness import stream

KINDS = ("A", "B", "C", "D")
FEEDERS = {"D1": ("case69", 4), "D2": ("case141", 9)}
"""Feeder grid, and the transmission bus (numbered from 0) that it is connected to."""

DOWN_EUR_PER_MWH = (10.0, 25.0)  # all systems, all kinds
T_UP_EUR_PER_MWH = {"A": (30.0, 42.0), "B": (90.0, 165.0), "C": (90.0, 165.0), "D": (30.0, 42.0)}
D_UP_EUR_PER_MWH = (42.0, 55.0)
NEW_UP_EUR_PER_MWH = (165.0, 215.0)  # kind C: dearer than transmission
NEW_MW = 0.3  # kind C: each new bid

T_GENERATOR_BUS, T_GENERATOR_RISE_MW = 1, 20.0  # on the 40 MW of the IEEE data
T_UP_SHARE, T_DOWN_SHARE = 0.25, 0.15  # of the load of a transmission bus
T_GENERATOR_DOWN_MW = 15.0
T_RATING_FACTOR, T_RATING_MW = 1.4, 25.0  # rating of a transmission line: factor of its base flow, plus this
D_UP_SHARE, D_DOWN_SHARE = 0.6, 0.3  # of the load of a feeder bus
D_GENERATORS = 0.35  # share of loaded feeder buses that hold a generator
D_GENERATOR_DOWN_SHARE = 0.6  # of its output
LEAST_RATING_MVA = 0.15
LEAST_CRITICAL_MW = 0.025  # flow on a line that may be picked for overload
RELIEF_MARGIN = 1.2  # bids behind an overloaded line over what its relief takes


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Parameters that the deliverable does not give and the study varies; defaults: the bundled cases."""

    need_mw: float = 8.0  # injection that the system lacks (kinds A to C) or has too much (kind D)
    overloaded_lines: int = 3  # per feeder, in the base state
    rating_share: float = 0.9  # active limit of those lines over their base flow
    headroom: tuple[float, float] = (1.2, 2.2)  # rating of every other line over its base flow
    down_bidders: float = 0.5  # share of loaded feeder buses whose load offers down
    generator_bidders: float = 1.0  # share of the feeders' generators that offer down
    locally_solvable: bool = True  # overload only lines whose relief the rest of the feeder can offset
    t_down_eur_per_mwh: tuple[float, float] = DOWN_EUR_PER_MWH
    d_down_eur_per_mwh: tuple[float, float] = DOWN_EUR_PER_MWH
    dearest_first: bool = False  # order of a feeder's book, which decides between equal optima; else by block
    volume: float = 1.0  # factor on every bid of the feeders, the new ones of kind C apart
    generator_ratio: tuple[float, float] = (
        0.5,
        3.0,
    )  # output of a feeder's generator over the load of its bus
    root_vm_pu: float = 1.0  # voltage at which transmission feeds both feeders
    vm_min_pu: float = 0.9  # ends of the feeders' voltage band
    vm_max_pu: float = 1.1


SHARED = Recipe()
TIGHT = Recipe(
    overloaded_lines=6,  # 12 in all, the number published for schemes 05 and 06 in kinds A and D
    rating_share=0.366,  # an overload of 173 %, published for the same
    headroom=(1.02, 1.3),
    locally_solvable=False,
)
"""Little headroom on every line; number and size of the overloads are the published ones."""
VOLTAGE_BOUND = Recipe(
    root_vm_pu=1.04,  # the 69-bus feeder loses 0.09 p.u. at full load: less would not hold 0.95 at its end
    vm_min_pu=0.95,
    vm_max_pu=1.05,
    headroom=(2.0, 3.0),  # room on lines, so that it is the voltage that stops a bid
    volume=2.0,
    need_mw=16.0,  # as much more as the feeders offer more
)
"""Set-point 1.04 p.u. under a band of 5 % either way, lines with room, twice the bids and the need."""


def generate(kind: str, seed: int, recipe: Recipe = SHARED) -> Case:
    """Case `kind` of a seed; the same arguments give the same case.

    Of one seed, kinds A to D share grids, injections of the feeders and their bids: B changes the prices of
    transmission's up bids, C adds bids to B, and D turns the sign of the need.
    """
    if kind not in KINDS:
        raise ValueError(f"{kind} is no kind of case; known are {', '.join(KINDS)}")
    areas = {name: _area(name, grid, kind, seed, recipe) for name, (grid, _) in FEEDERS.items()}
    network, dc, p_mw = _transmission()
    interface_mw = {name: area.network.interface_mw for name, area in areas.items()}
    need_mw = -recipe.need_mw if kind == "D" else recipe.need_mw
    p_mw = p_mw.copy()
    p_mw[network.root] += sum(interface_mw.values()) - need_mw - float(p_mw.sum())
    nodes = {name: int(network.bus_node[bus]) for name, (_, bus) in FEEDERS.items()}
    return Case(
        name=f"{kind}-{seed}",
        transmission=TransmissionGrid(dc, p_mw, nodes, interface_mw),
        tso_bids=_tso_bids(network, kind, seed, recipe.t_down_eur_per_mwh),
        areas=areas,
    )


@cache
def _transmission() -> tuple[Network, DcModel, FloatArray]:
    """The rated 14-bus grid and its injections (N,) in MW, without that of the slack bus."""
    network = load_network("case14")
    p_mw = network.p_mw.copy()
    p_mw[network.bus_node[T_GENERATOR_BUS]] += T_GENERATOR_RISE_MW
    flow = np.abs(DcModel.build(network).flows_mw(p_mw))
    ratings = {
        label: T_RATING_FACTOR * float(mw) + T_RATING_MW
        for label, mw in zip(network.branches.label, flow, strict=True)
        if label.startswith("line")
    }
    rated = network.with_ratings(ratings, "ratings")
    return rated, DcModel.build(rated), p_mw


def _tso_bids(network: Network, kind: str, seed: int, down: tuple[float, float]) -> Bids:
    """Every loaded bus offers up and down, both generating buses offer down."""
    rng = stream(seed, "alexander T bids")
    load_mw = _load_mw(network)
    node = np.flatnonzero(load_mw > 0)
    generators = np.array([network.root, network.bus_node[T_GENERATOR_BUS]])
    blocks = [
        (node, UP, T_UP_SHARE * load_mw[node], T_UP_EUR_PER_MWH[kind]),
        (node, DOWN, T_DOWN_SHARE * load_mw[node], down),
        (generators, DOWN, np.full(len(generators), T_GENERATOR_DOWN_MW), down),
    ]
    return Bids.join([_bids(TSO, k, *block, rng.random(len(block[0]))) for k, block in enumerate(blocks)])


@cache
def _feeder(grid: str) -> tuple[Network, LinDistFlow]:
    network = load_network(grid)
    return network, LinDistFlow.build(network)


def _area(name: str, grid: str, kind: str, seed: int, recipe: Recipe) -> CaseArea:
    network, lin = _feeder(grid)
    rng = stream(seed, f"alexander {name} injections")
    load_mw = _load_mw(network)
    node = np.flatnonzero(load_mw > 0)
    holds = rng.random(len(node)) < D_GENERATORS
    output_mw = np.zeros(network.n_nodes)
    output_mw[node] = holds * load_mw[node] * _between(recipe.generator_ratio, rng.random(len(node)))
    p_mw = network.p_mw + output_mw
    bids = _feeder_bids(name, load_mw, output_mw, recipe, stream(seed, f"alexander {name} bids"))
    rating_mva, critical = _ratings(lin, p_mw, bids, recipe, stream(seed, f"alexander {name} lines"))
    if kind == "C":
        bids = Bids.join([bids, *_new_bids(name, network, critical, stream(seed, f"alexander {name} new"))])
    labels = network.branches.label
    rated = network.with_ratings(dict(zip(labels, rating_mva.tolist(), strict=True)), "ratings")
    low, high = (np.full(len(network.bus_index), end) for end in (recipe.vm_min_pu, recipe.vm_max_pu))
    rated = replace(rated, p_mw=p_mw, root_vm_pu=recipe.root_vm_pu, vm_min_pu=low, vm_max_pu=high)
    lin = replace(lin, network=rated)
    return CaseArea(
        network=rated,
        lin=lin,
        rows=distribution_constraints(lin, p_mw, rated.q_mvar),
        bids=bids,
        power_flow=PowerFlow(rated),
    )


def _feeder_bids(
    name: str, load_mw: FloatArray, output_mw: FloatArray, recipe: Recipe, rng: np.random.Generator
) -> Bids:
    """Every load offers up, a share of the loads and of the generators offers down.

    A larger share keeps the bids of a smaller one, so that recipes can be compared bid by bid.
    """
    node = np.flatnonzero(load_mw > 0)
    n = len(node)
    lowers = rng.random(n) < recipe.down_bidders
    curtails = (rng.random(n) < recipe.generator_bidders) & (output_mw[node] > 0)
    up, load_down, output_down = rng.random(n), rng.random(n), rng.random(n)
    book = [_bids(name, 0, node, UP, recipe.volume * D_UP_SHARE * load_mw[node], D_UP_EUR_PER_MWH, up)]
    for block, takes, mw, draw in (
        (1, lowers, D_DOWN_SHARE * load_mw[node], load_down),
        (2, curtails, D_GENERATOR_DOWN_SHARE * output_mw[node], output_down),
    ):
        quantity, price = recipe.volume * mw[takes], recipe.d_down_eur_per_mwh
        book.append(_bids(name, block, node[takes], DOWN, quantity, price, draw[takes]))
    bids = Bids.join(book)
    return bids.pick(np.argsort(-bids.price)) if recipe.dearest_first else bids


def _new_bids(name: str, network: Network, critical: IntArray, rng: np.random.Generator) -> list[Bids]:
    """Kind C: an up and a down bid at both ends of every overloaded line."""
    ends = np.unique([network.branches.from_node[critical], network.branches.to_node[critical]])
    node, mw = ends[ends != network.root], np.full(int((ends != network.root).sum()), NEW_MW)
    return [
        _bids(name, 3, node, UP, mw, NEW_UP_EUR_PER_MWH, rng.random(len(node))),
        _bids(name, 4, node, DOWN, mw, DOWN_EUR_PER_MWH, rng.random(len(node))),
    ]


def _ratings(
    lin: LinDistFlow, p_mw: FloatArray, bids: Bids, recipe: Recipe, rng: np.random.Generator
) -> tuple[FloatArray, IntArray]:
    """Rating of every line (E,) in MVA, and the lines overloaded in the base state.

    Overload is put on lines that carry something and whose own branch of the feeder offers the relief.
    """
    q_flow = lin.state(p_mw, lin.network.q_mvar).flow_mvar
    flow = lin.state(p_mw, lin.network.q_mvar).flow_mw
    rating = np.hypot(flow, q_flow) * _between(recipe.headroom, rng.random(len(flow)))
    rating = np.maximum(rating, LEAST_RATING_MVA)
    up, down = _behind(lin, bids, UP), _behind(lin, bids, DOWN)
    wanted = RELIEF_MARGIN * (1.0 - recipe.rating_share) * np.abs(flow)
    fit: BoolArray = (np.abs(flow) >= LEAST_CRITICAL_MW) & (np.where(flow > 0, up, down) >= wanted)
    if recipe.locally_solvable:
        offered_up, offered_down = (float(bids.quantity_mw[bids.direction == d].sum()) for d in (UP, DOWN))
        fit &= np.where(flow > 0, offered_down - down, offered_up - up) >= wanted
    order = rng.permutation(len(flow))
    critical = np.sort(order[fit[order]][: recipe.overloaded_lines])
    rating[critical] = np.hypot(recipe.rating_share * flow[critical], q_flow[critical])
    return rating, critical


def _behind(lin: LinDistFlow, bids: Bids, direction: int) -> FloatArray:
    """MW of one direction offered behind every line (E,), seen from the root."""
    mw = np.bincount(
        bids.node, weights=bids.quantity_mw * (bids.direction == direction), minlength=len(lin.w_root_gain)
    )
    return np.asarray(-lin.flow_matrix @ mw)


def _load_mw(network: Network) -> FloatArray:
    """Load of every node (N,) in MW, positive."""
    load = network.net.load
    node = network.nodes_of(load.bus.to_numpy(dtype=np.int64), "load.bus")
    p_mw = load.p_mw.to_numpy(dtype=np.float64)
    return np.bincount(node, weights=p_mw, minlength=network.n_nodes).astype(np.float64)


def _bids(
    system: str,
    block: int,
    node: IntArray,
    direction: int,
    quantity_mw: FloatArray,
    price_eur_per_mwh: tuple[float, float],
    draw: FloatArray,
) -> Bids:
    """One bid per node, priced in a range by `draw` (n,) in [0, 1)."""
    ids = [f"{system}-{block}-{n:03d}" for n in node.tolist()]
    price = _between(price_eur_per_mwh, draw)
    return Bids.of(ids, ids, node, np.full(len(node), direction), quantity_mw, price)


def _between(ends: tuple[float, float], draw: FloatArray) -> FloatArray:
    low, high = ends
    return low + (high - low) * draw
