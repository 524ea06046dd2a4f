"""``make bench``: speed of the parts that matter, each beside a limit measured in the same run.

Machines differ and are noisy: read the ratios. The limit of an auction is the bare HiGHS solve of programmes
of the same size, that of a validation the reference power flow of the same grids.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from scipy.optimize import linprog

from experiments.environment import parallel_env
from experiments.scenario import read_scenario
from grids.load import load_network
from grids.powerflow import PowerFlow
from markets.aggregation import KINDS
from markets.case import Case, read_case
from markets.case_market import CaseMarket
from markets.outcome import clear_case
from markets.prequalification import METHODS
from markets.schemes import SCHEMES, Options, build_schemes
from sim.run import run
from sim.settings import Scenario

RUNS = 5


def main() -> None:
    """Measure and print."""
    table = Table(title="Tandem bench (median of warm repetitions; one core)", box=SIMPLE_HEAD)
    for column in ("what", "measured", "limit of the same run", "ratio", "target"):
        table.add_column(column)
    bare_lp = _bare_lp_ms()
    for row in (_validation(), *_cases(), *_steps(), *_isps(bare_lp)):
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


def _cases() -> list[tuple[str, ...]]:
    """The five cases of 14 + 69 + 141 buses and some 280 bids through every scheme; the slowest counts.

    The limit is the programme of the common market (all bids, all rows that can bind) solved bare by HiGHS.
    """
    cases = {name: read_case(Path("tests/cases") / name) for name in "ABCDV"}
    bare = {name: _bare_common_ms(case) for name, case in cases.items()}
    variants = {name: scheme for name, scheme in SCHEMES.items() if name != "aggregation"}
    variants |= {f"multilevel-03/{m}": build_schemes(Options(m))["multilevel-03"] for m in METHODS[1:]}
    variants |= {f"aggregation/{k}": build_schemes(Options(aggregation=k))["aggregation"] for k in KINDS}
    rows: list[tuple[str, ...]] = []
    for name, scheme in variants.items():
        times = {k: _ms(partial(clear_case, case, scheme)) for k, case in cases.items()}
        worst = max(times, key=lambda k: times[k])
        slow = name.startswith("aggregation") or name.endswith("disqualify")
        rows.append(
            (
                f"{name}, slowest case ({worst})",
                f"{times[worst]:.1f} ms",
                f"{bare[worst]:.1f} ms (bare LP)",
                f"{times[worst] / bare[worst]:.1f}",
                "<= 500 ms" if slow else "<= 50 ms",
            )
        )
    return rows


def _bare_common_ms(case: Case) -> float:
    """The solver alone on the programme of the common market of a case."""
    programmes: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    solver: Any = linprog

    def keep(*given: Any, **options: Any) -> Any:
        programmes.append((given, options))
        return solver(*given, **options)

    with patch("markets.solver.linprog", keep):
        clear_case(case, SCHEMES["common"])
    ((given, options),) = programmes
    return _ms(lambda: solver(*given, **options), 20)


def _steps() -> list[tuple[str, ...]]:
    """A step of all sellers of the one-case world, case A, beside the market's own clearing."""
    rows: list[tuple[str, ...]] = []
    for name in ("central-01", "common", "multilevel-01", "multilevel-03"):
        env = parallel_env(Path("tests/cases/A"), scheme=name, isps=1000)
        env.reset(seed=1)
        action = {seller: np.array([0.1, 0.9]) for seller in env.agents}
        step = _ms(partial(env.step, action), 50)
        market = CaseMarket(read_case(Path("tests/cases/A")), SCHEMES[name])
        bare = _ms(market.play, 50)
        speed = f"{step:.1f} ms ({1000.0 / step:.0f} steps/s)"
        rows.append(
            (
                f"one-case world, {name}",
                speed,
                f"{bare:.1f} ms (bare)",
                f"{step / bare:.2f}",
                ">= 300 steps/s",
            )
        )
    return rows


def _isps(bare_lp: float) -> list[tuple[str, ...]]:
    """A simulated ISP of the reference scenario, all included, and the cost of ten times the households."""
    per_isp = {n: _isp_ms(_reference(n)) for n in (1000, 10_000)}
    direct = _isp_ms(_reference(10_000, solver="highspy"))
    pools = [f"A{k + 1:02d}" for k in range(10)]
    learning = _isp_ms(_reference(10_000, strategies=[{"aggregators": pools, "name": "q-learning"}]))
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
            "the same, solver: highspy", f"{direct:.1f} ms", f"{per_isp[10_000]:.1f} ms (linprog)",
            f"{direct / per_isp[10_000]:.2f}", "",
        ),
        (
            "10 learning aggregators", f"{learning:.1f} ms", f"{per_isp[10_000]:.1f} ms (truthful)",
            f"{learning / per_isp[10_000]:.2f}", "<= 1.2",
        ),
        (
            "10 times the households (1 000 to 10 000)",
            f"{per_isp[10_000]:.1f} ms",
            f"{per_isp[1000]:.1f} ms",
            f"{per_isp[10_000] / per_isp[1000]:.2f}",
            "<= 2",
        ),
    ]  # fmt: skip


def _reference(households: int, **fields: Any) -> Scenario:
    return read_scenario("reference", {"households": households, "days": 2, **fields})[0]


def _isp_ms(scenario: Scenario) -> float:
    """Median time between the deliveries of two neighbouring ISPs."""
    moments: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        run(scenario, None, Path(folder), on_isp=lambda isp: moments.append(time.perf_counter()))
    return 1000.0 * statistics.median(np.diff(moments))


if __name__ == "__main__":
    main()
