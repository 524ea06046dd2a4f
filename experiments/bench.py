"""``make bench``: speed of the parts that matter, each beside a limit measured in the same run.

Machines differ and are noisy: read the ratios. The limit of an auction is the bare HiGHS solve of programmes
of the same size, that of a validation the reference power flow of the same grids. Written to ``bench.json``
too: a list of ``name``, ``value``, ``unit``, ``target``, ``better`` (lower or higher) and ``limit``.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal
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


@dataclass(frozen=True)
class Figure:
    """One figure of the bench: `limit` is what was measured beside it, in the same unit, called `against`."""

    name: str
    value: float
    unit: str
    target: float | None
    better: Literal["lower", "higher"]
    limit: float
    against: str

    @property
    def row(self) -> tuple[str, ...]:
        """Cells of the table."""
        sign = "<=" if self.better == "lower" else ">="
        target = "" if self.target is None else f"{sign} {self.target:g} {self.unit}"
        return (
            self.name, f"{self.value:.3g} {self.unit}", f"{self.limit:.3g} {self.unit} ({self.against})",
            f"{self.value / self.limit:.2f}", target,
        )  # fmt: skip

    @property
    def as_dict(self) -> dict[str, Any]:
        """Entry of ``bench.json``."""
        return {key: getattr(self, key) for key in ("name", "value", "unit", "target", "better", "limit")}


def main(out: Path = Path("bench.json")) -> None:
    """Measure, print and write."""
    table = Table(title="Tandem bench (median of warm repetitions; one core)", box=SIMPLE_HEAD)
    for column in ("what", "measured", "beside it, same run", "ratio", "target"):
        table.add_column(column)
    figures = [*_validation(), *_cases(), *_steps(), *_isps(_bare_lp_ms())]
    for figure in figures:
        table.add_row(*figure.row)
    Console(width=120).print(table)
    out.write_text(json.dumps([figure.as_dict for figure in figures], indent=1) + "\n", encoding="utf-8")


def _ms(action: Callable[[], Any], repetitions: int = RUNS) -> float:
    action()
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        action()
        times.append(1000.0 * (time.perf_counter() - start))
    return statistics.median(times)


def _validation() -> list[Figure]:
    """AC validation of an ISP on the reference grids against ``pandapower.runpp`` on the same grids."""
    flows = [PowerFlow(load_network(name)) for name in ("case14", "case69", "case141")]
    fast = _ms(lambda: [f.solve(f.network.p_mw, f.network.q_mvar) for f in flows], 50)
    slow = _ms(lambda: [f.reference(f.network.p_mw, f.network.q_mvar) for f in flows])
    validation = Figure("AC validation of an ISP, 3 grids", fast, "ms", None, "lower", slow, "runpp")
    return [
        validation,
        Figure("AC validation, runpp over it", slow / fast, "x", 100, "higher", 1.0, "itself"),
    ]


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


def _cases() -> list[Figure]:
    """The five cases of 14 + 69 + 141 buses and some 280 bids through every scheme; the slowest counts.

    The limit is the programme of the common market (all bids, all rows that can bind) solved bare by HiGHS.
    """
    cases = {name: read_case(Path("tests/cases") / name) for name in "ABCDV"}
    bare = {name: _bare_common_ms(case) for name, case in cases.items()}
    variants = {name: scheme for name, scheme in SCHEMES.items() if name != "aggregation"}
    variants |= {f"multilevel-03/{m}": build_schemes(Options(m))["multilevel-03"] for m in METHODS[1:]}
    variants |= {f"aggregation/{k}": build_schemes(Options(aggregation=k))["aggregation"] for k in KINDS}
    figures = []
    for name, scheme in variants.items():
        times = {k: _ms(partial(clear_case, case, scheme)) for k, case in cases.items()}
        worst = max(times, key=lambda k: times[k])
        target = 500 if name.startswith("aggregation") or name.endswith("disqualify") else 50
        what = f"{name}, slowest case ({worst})"
        figures.append(Figure(what, times[worst], "ms", target, "lower", bare[worst], "bare LP"))
    return figures


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


def _steps() -> list[Figure]:
    """A step of all sellers of the one-case world, case A, beside the market's own clearing."""
    figures = []
    for name in ("central-01", "common", "multilevel-01", "multilevel-03"):
        env = parallel_env(Path("tests/cases/A"), scheme=name, isps=1000)
        env.reset(seed=1)
        action = {seller: np.array([0.1, 0.9]) for seller in env.agents}
        step = _ms(partial(env.step, action), 50)
        market = CaseMarket(read_case(Path("tests/cases/A")), SCHEMES[name])
        clearings = 1000.0 / _ms(market.play, 50)
        what = f"one-case world, {name}"
        figures.append(Figure(what, 1000.0 / step, "steps/s", 300, "higher", clearings, "clearing alone"))
    return figures


def _isps(bare_lp: float) -> list[Figure]:
    """A simulated ISP of the reference scenario, all included: its solver, learners, households."""
    ten, one = _isp_ms(_reference(10_000)), _isp_ms(_reference(1000))
    direct = _isp_ms(_reference(10_000, solver="highspy"))
    pools = [f"A{k + 1:02d}" for k in range(10)]
    learning = _isp_ms(_reference(10_000, strategies=[{"aggregators": pools, "name": "q-learning"}]))
    lps = 7  # two local markets, four envelopes, one balancing market
    bare = f"{lps} bare LPs"
    return [
        Figure("simulated ISP, reference, multilevel-03", ten, "ms", 5, "lower", lps * bare_lp, bare),
        Figure("the same, solver: highspy", direct, "ms", 5, "lower", ten, "linprog"),
        Figure("the same, 10 learning aggregators", learning, "ms", 1.2 * ten, "lower", ten, "truthful"),
        Figure("10 times the households", ten, "ms", 2.0 * one, "lower", one, "1 000 households"),
    ]


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
