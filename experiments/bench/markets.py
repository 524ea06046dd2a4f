"""Speed of single parts: power flow, one case under every scheme, a step of a one-case environment."""

from __future__ import annotations

from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
from scipy.optimize import linprog

from tandem_sim.experiments.bench.figure import Figure, milliseconds
from tandem_sim.experiments.environments.api import parallel_env
from tandem_sim.experiments.runs.bundled import CASES, case_path
from tandem_sim.grids.io.read import load_network
from tandem_sim.grids.power_flow.ac import PowerFlow
from tandem_sim.markets.cases.case import Case, read_case
from tandem_sim.markets.cases.clear import clear_case
from tandem_sim.markets.choices import KINDS, METHODS
from tandem_sim.markets.games.repeated_market import CaseMarket
from tandem_sim.markets.schemes import SCHEMES, Options, build_schemes


def validation() -> list[Figure]:
    """AC power flows of an ISP on the reference grids, compared with ``pandapower.runpp``."""
    flows = [PowerFlow(load_network(name)) for name in ("case14", "case69", "case141")]
    fast = milliseconds(lambda: [f.solve(f.network.p_mw, f.network.q_mvar) for f in flows], 50)
    slow = milliseconds(lambda: [f.reference(f.network.p_mw, f.network.q_mvar, compiled=True) for f in flows])
    return [
        Figure(
            name="AC validation of an ISP, 3 grids",
            value=fast,
            unit="ms",
            target=None,
            better="lower",
            limit=slow,
            against="runpp",
        ),
        Figure(
            name="AC validation, runpp over it",
            value=slow / fast,
            unit="x",
            target=100,
            better="higher",
            limit=1.0,
            against="itself",
        ),
    ]


def cases() -> list[Figure]:
    """The five cases of 14 + 69 + 141 buses and some 280 bids under every scheme; the slowest counts.

    The limit is the HiGHS solve alone of the common market (all bids, all constraints that can bind).
    """
    read = {name: read_case(case_path(name)) for name in CASES}
    bare = {name: _bare_common_ms(case) for name, case in read.items()}
    variants = {name: scheme for name, scheme in SCHEMES.items() if name != "aggregation"}
    variants |= {
        f"multilevel-03/{m}": build_schemes(Options(grid_prequalification=m))["multilevel-03"]
        for m in METHODS[1:]
    }
    variants |= {f"aggregation/{k}": build_schemes(Options(aggregation=k))["aggregation"] for k in KINDS}
    figures = []
    for name, scheme in variants.items():
        times = {k: milliseconds(partial(clear_case, case, scheme)) for k, case in read.items()}
        worst = max(times, key=lambda k: times[k])
        target = 500 if name.startswith("aggregation") or name.endswith("disqualify") else 50
        what = f"{name}, slowest case ({worst})"
        figures.append(
            Figure(
                name=what,
                value=times[worst],
                unit="ms",
                target=target,
                better="lower",
                limit=bare[worst],
                against="bare LP",
            )
        )
    return figures


def _bare_common_ms(case: Case) -> float:
    """Time of the solver alone on the problem of the common market of a case, ms."""
    problems: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    solver: Any = linprog

    def keep(*given: Any, **options: Any) -> Any:
        problems.append((given, options))
        return solver(*given, **options)

    with patch("tandem_sim.markets.clearing.solvers.linprog", keep):
        clear_case(case, SCHEMES["common"])
    return milliseconds(lambda: [solver(*given, **options) for given, options in problems], 20)


def steps() -> list[Figure]:
    """A step of all sellers of the one-case environment, case A, compared with the clearing alone."""
    figures = []
    for name in ("central-01", "common", "multilevel-01", "multilevel-03"):
        env = parallel_env("alexander-a", scheme=name, isps=1000)
        env.reset(seed=1)
        action = {seller: np.array([0.1, 0.9]) for seller in env.agents}
        step = milliseconds(partial(env.step, action), 50)
        market = CaseMarket(read_case(case_path("alexander-a")), SCHEMES[name])
        clearings = 1000.0 / milliseconds(market.play, 50)
        what = f"one-case world, {name}"
        figures.append(
            Figure(
                name=what,
                value=1000.0 / step,
                unit="steps/s",
                target=300,
                better="higher",
                limit=clearings,
                against="clearing alone",
            )
        )
    return figures
