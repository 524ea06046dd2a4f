"""``make bench``: speed of the parts that matter, each beside a limit measured in the same run.

Machines differ and are noisy: read the ratios. The limit of an auction is the bare HiGHS solve of programmes
of the same size, that of a validation the reference power flow of the same grids.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from scipy.optimize import linprog

from experiments.scenario import read_scenario
from grids.load import load_network
from grids.powerflow import PowerFlow
from markets.case import read_case
from markets.outcome import clear_case
from markets.schemes import SCHEMES
from sim.run import run
from sim.settings import Scenario

RUNS = 5


def main() -> None:
    """Measure and print."""
    table = Table(title="Tandem bench (median of warm repetitions; one core)", box=SIMPLE_HEAD)
    for column in ("what", "measured", "limit of the same run", "ratio", "target"):
        table.add_column(column)
    bare_lp = _bare_lp_ms()
    for row in (_validation(), _cases(), *_isps(bare_lp)):
        table.add_row(*row)
    Console(width=120).print(table)


def _ms(action: Callable[[], Any], repetitions: int = RUNS) -> float:
    action()
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        action()
        times.append(1000.0 * (time.perf_counter() - start))
    return statistics.median(times)


def _validation() -> tuple[str, ...]:
    """AC validation of an ISP on the reference grids against ``pandapower.runpp`` on the same grids."""
    flows = [PowerFlow(load_network(name)) for name in ("case14", "case69", "case141")]
    fast = _ms(lambda: [f.solve(f.network.p_mw, f.network.q_mvar) for f in flows], 50)
    slow = _ms(lambda: [f.reference(f.network.p_mw, f.network.q_mvar) for f in flows])
    return (
        "AC validation of an ISP, 3 grids",
        f"{fast:.2f} ms",
        f"{slow:.1f} ms (runpp)",
        f"{slow / fast:.0f}x faster",
        ">= 100x",
    )


def _bare_lp_ms() -> float:
    """One HiGHS solve of the size of the reference's auctions: 800 bids, a balance, 4 rows that can bind."""
    rng = np.random.default_rng(1)
    cost, rows = rng.uniform(10, 100, 800), rng.uniform(-1, 1, (4, 800))
    bounds = np.column_stack([np.zeros(800), rng.uniform(0.001, 0.1, 800)])
    full, limit, need = np.ones((1, 800)), np.full(4, 5.0), np.array([2.0])
    solver: Any = linprog  # its type stubs know no bounds as an array
    return _ms(
        lambda: solver(cost, A_ub=rows, b_ub=limit, A_eq=full, b_eq=need, bounds=bounds, method="highs"),
        20,
    )


def _cases() -> tuple[str, ...]:
    """A case of 14 + 69 + 141 buses and 276 bids through multilevel-03, against its slowest sibling."""
    folder = Path("tests/cases/A")
    case = read_case(folder)
    times = {name: _ms(lambda scheme=scheme: clear_case(case, scheme)) for name, scheme in SCHEMES.items()}  # type: ignore[misc]
    worst = max(times, key=lambda name: times[name])
    return (
        "one case through one scheme, worst",
        f"{times[worst]:.1f} ms ({worst})",
        f"{min(times.values()):.1f} ms (best)",
        f"{times[worst] / min(times.values()):.1f}",
        "<= 50 ms",
    )


def _isps(bare_lp: float) -> list[tuple[str, ...]]:
    """A simulated ISP of the reference scenario, all included, and the cost of ten times the households."""
    per_isp = {n: _isp_ms(_reference(n)) for n in (1000, 10_000)}
    lps = 7  # two local markets, four envelopes, one balancing market
    return [
        (
            "simulated ISP, reference, multilevel-03",
            f"{per_isp[10_000]:.1f} ms",
            f"{lps * bare_lp:.1f} ms ({lps} bare LPs)",
            f"{per_isp[10_000] / (lps * bare_lp):.2f}",
            "<= 5 ms",
        ),
        (
            "10 times the households (1 000 to 10 000)",
            f"{per_isp[10_000]:.1f} ms",
            f"{per_isp[1000]:.1f} ms",
            f"{per_isp[10_000] / per_isp[1000]:.2f}",
            "<= 2",
        ),
    ]


def _reference(households: int) -> Scenario:
    return read_scenario("reference", {"households": households, "days": 2})[0]


def _isp_ms(scenario: Scenario) -> float:
    """Median time between the deliveries of two neighbouring ISPs."""
    moments: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        run(scenario, None, Path(folder), on_isp=lambda isp: moments.append(time.perf_counter()))
    return 1000.0 * statistics.median(np.diff(moments))


if __name__ == "__main__":
    main()
