"""Operating envelopes checked by AC power flow: how often a call inside them breaks a limit, and by how much.

``python -m tandem_sim.experiments.studies.low_voltage.envelopes_ac FOLDER`` writes ``envelopes_ac.csv``, a
row per grid, offset and safety method. Results are in ``docs/studies/envelopes_ac.md``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from tandem_sim.grids.choices import OFFSETS, Offset
from tandem_sim.grids.io.read import load_network
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.power_flow.ac import PowerFlow
from tandem_sim.grids.power_flow.ac_limits import AcLimits
from tandem_sim.grids.power_flow.lindistflow import LinDistFlow
from tandem_sim.grids.power_flow.operator_model import NO_MARGINS, Margins, OperatorModel
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.choices import METHODS, EnvelopeCheck, Method
from tandem_sim.markets.grid_checks.prequalification import ac_qualified_mw, qualified_mw
from tandem_sim.markets.orders.bids import DOWN, UP, Bids

GRIDS = (
    "case33bw", "case69", "case141", "create_cigre_network_mv", "create_cigre_network_lv",
    "1-LV-semiurb4--0-sw", "1-MV-rural--0-sw", "1-MV-semiurb--0-sw", "1-MV-urban--0-sw", "1-MV-comm--0-sw",
)  # fmt: skip
BOOKS, POINTS = 10, 100
"""Books of bids and draws of limits a grid, and calls tried inside the envelopes of each."""
LEAST = {"keeps": 1.01, "breaks": 0.99}
"""Smallest rating as a share of the base current: the base keeps all limits, or breaks some."""
BIDS = 60
BROKEN = 1e-3
"""Share of a limit by which it must be exceeded to count as broken."""


@dataclass(frozen=True)
class Way:
    """How a DSO protects against the errors of its linear model."""

    name: str
    check: EnvelopeCheck = "none"
    margins: Margins = NO_MARGINS


WAYS = (Way("none"), Way("fixed margins", margins=Margins(0.05, 0.002)), Way("checked", "ac"))
"""The margins are the defaults of `dso.flow_margin` and `dso.voltage_margin_pu`."""


def limited(grid: Network, rng: np.random.Generator, base: str = "breaks") -> Network:
    """A grid whose ratings and voltage band lie near its base state, which `base` keeps or breaks.

    Ratings are up to twice the base current, and of branches that carry next to nothing a twentieth of the
    largest one; the band ends up to 0.02 p.u. beyond the base voltages.
    """
    flow = PowerFlow(grid)
    state = flow.solve(grid.p_mw, grid.q_mvar)
    b = grid.branches
    wide = np.maximum(  # a rating is a current
        np.hypot(state.p_from_mw, state.q_from_mvar) / state.vm_pu[b.from_node],
        np.hypot(state.p_to_mw, state.q_to_mvar) / state.vm_pu[b.to_node],
    )
    rating = np.maximum(wide * rng.uniform(LEAST[base], 2.0, len(b)), 0.05 * wide.max())
    scale = grid.node_vn_kv * np.sqrt(3.0)
    limits = replace(
        b,
        s_max_mva=rating,
        i_max_from_ka=rating / scale[b.from_node],
        i_max_to_ka=rating / scale[b.to_node],
    )
    low, high = state.vm_pu.min() - rng.uniform(0.0, 0.02), state.vm_pu.max() + rng.uniform(0.0, 0.02)
    n = len(grid.bus_index)
    return replace(grid, branches=limits, vm_min_pu=np.full(n, low), vm_max_pu=np.full(n, high))


def book(grid: Network, rng: np.random.Generator) -> Bids:
    """Bids of both directions at random nodes: together about what the grid's loads and units are."""
    size = 2.0 * np.abs(grid.p_mw).sum() / BIDS
    direction = rng.choice([UP, DOWN], BIDS)
    price = np.where(direction == UP, rng.uniform(50.0, 100.0, BIDS), rng.uniform(0.0, 45.0, BIDS))
    names = [f"b{k:02d}" for k in range(BIDS)]
    nodes = rng.choice(np.flatnonzero(np.arange(grid.n_nodes) != grid.root), BIDS)
    return Bids.of(names, names, nodes, direction, rng.uniform(0.2, 1.8, BIDS) * size, price)


def calls(rng: np.random.Generator, limit: FloatArray, bids: Bids, n: int) -> Iterator[FloatArray]:
    """Calls inside limits (n,) on bids: corners, inner points, one direction and both, everything in turn."""
    up = bids.direction == UP
    yield from (limit * up, limit * ~up, limit)
    sides = (np.ones(len(up)), up, ~up)
    for k in range(n - 3):
        corner = k % 2 == 0
        drawn = rng.integers(0, 2, len(up)) if corner else rng.random(len(up)) ** rng.choice([0.2, 1.0])
        yield limit * drawn * sides[k // 2 % 3]


def searched(judge: AcLimits, bids: Bids, limit: FloatArray, allowed: FloatArray, seed: int) -> float:
    """The worst excess (share of a limit) that changing one bid after the other finds, by power flows alone.

    From both directions alone and two random corners, for the limit that is worst there.
    """
    rng = np.random.default_rng(seed)

    def excess(share: FloatArray) -> FloatArray:
        state = judge.state(bids.injection_mw(share * limit, len(judge.p_mw)))
        return np.nan_to_num(judge.excess(state) - allowed, nan=np.inf)

    worst, up = -np.inf, (bids.direction == UP).astype(np.float64)
    for share in (up, 1.0 - up, *rng.integers(0, 2, (2, len(up))).astype(np.float64)):
        row = int(excess(share).argmax())
        best = float(excess(share)[row])
        for bid in np.tile(rng.permutation(np.flatnonzero(limit > 0.0)), 2):
            for value in (0.0, 0.5, 1.0):
                tried = share.copy()
                tried[bid] = value
                found = float(excess(tried)[row])
                if found > best:
                    share, best = tried, found
        worst = max(worst, best)
    return worst


def judged(
    grid: Network, bids: Bids, offset: Offset, way: Way, method: Method, seed: int, points: int
) -> dict[str, float]:
    """MW that an envelope allows (up and down), and AC limits that calls inside it break.

    The AC check has no margins: a limit is broken if its value exceeds both the limit and the AC base state.
    """
    flow, lin = PowerFlow(grid), LinDistFlow.build(grid)
    operator_model = OperatorModel(lin, flow, offset, way.margins)
    rows = operator_model.rows(grid.p_mw, grid.q_mvar)
    assert rows is not None
    start = time.perf_counter()
    if way.check == "ac":
        own = AcLimits(operator_model, grid.p_mw, grid.q_mvar)
        limit = ac_qualified_mw(own, rows, bids, bids.quantity_mw, method)
    else:
        limit = qualified_mw(rows, bids, bids.quantity_mw, method)
    seconds = time.perf_counter() - start
    judge = AcLimits(replace(operator_model, margins=NO_MARGINS), grid.p_mw, grid.q_mvar)
    allowed = np.maximum(judge.excess(judge.state()), 0.0)
    worst = np.array(
        [
            (judge.excess(judge.state(bids.injection_mw(call, grid.n_nodes))) - allowed)
            for call in calls(np.random.default_rng(seed), limit, bids, points)
        ]
    )
    worst = np.nan_to_num(worst, nan=np.inf)
    e, over = judge.n_branches, worst.max(axis=1)
    return {
        "offered_mw": float(bids.quantity_mw.sum()),
        "up_mw": float(limit[bids.direction == UP].sum()),
        "down_mw": float(limit[bids.direction == DOWN].sum()),
        "points": len(over),
        "broken": int((over > BROKEN).sum()),
        "touched": int((over > 1e-5).sum()),
        "worst_current_pct": 100.0 * max(float(worst[:, :e].max()), 0.0),
        "worst_voltage_pct": 100.0 * max(float(worst[:, e:].max()), 0.0),
        "searched_pct": 100.0 * max(searched(judge, bids, limit, allowed, seed), 0.0),
        "seconds": seconds,
    }


def measured(
    grids: Sequence[str] = GRIDS,
    books: int = BOOKS,
    points: int = POINTS,
    methods: Sequence[Method] = ("envelope",),
) -> pd.DataFrame:
    """One row per grid, book, method, offset and way; books are in turn those of a base that keeps limits."""
    rows = []
    for name in grids:
        whole = load_network(name)
        for seed in range(books):
            rng = np.random.default_rng([seed, len(name), whole.n_nodes])
            base = tuple(LEAST)[seed % len(LEAST)]
            grid = limited(whole, rng, base)
            bids = book(grid, rng)
            for method in methods:
                for offset in OFFSETS:
                    for way in WAYS:
                        found = judged(grid, bids, offset, way, method, seed, points)
                        about = {"grid": name, "book": seed, "base": base, "method": method}
                        rows.append({**about, "offset": offset, "way": way.name, **found})
    return pd.DataFrame(rows)


def summed(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Rows put together by `keys`: shares of calls in percent, worst excess, MW kept in percent of `none`."""
    by = table.groupby(list(keys), sort=False)
    found = by[["points", "broken", "touched", "up_mw", "down_mw", "seconds"]].sum()
    kept = found.up_mw + found.down_mw
    without = kept[kept.index.get_level_values("way") == "none"].droplevel("way")
    return pd.DataFrame(
        {
            "broken_pct": 100.0 * found.broken / found.points,
            "touched_pct": 100.0 * found.touched / found.points,
            "worst_current_pct": by.worst_current_pct.max(),
            "worst_voltage_pct": by.worst_voltage_pct.max(),
            "searched_pct": by.searched_pct.max(),
            "kept_pct": 100.0 * kept / without.reindex(kept.index.droplevel("way")).to_numpy(),
            "ms": 1000.0 * found.seconds / by.size(),
        }
    )


def main(folder: Path) -> None:
    """Measure, write the table, and print it put together."""
    folder.mkdir(parents=True, exist_ok=True)
    methods = [m for m in METHODS if m != "static"]
    table = measured(methods=methods)
    table.drop(columns="seconds").to_csv(folder / "envelopes_ac.csv", index=False, float_format="%.5f")
    for keys in (["method", "offset", "base", "way"], ["grid", "offset", "base", "way"]):
        print(
            summed(table[table.method == "envelope"] if "grid" in keys else table, keys).round(3).to_string()
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
