"""Speed and memory of whole runs of the reference scenario, compared with solvers and pandapower alone."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandapower as pp
import pandas as pd
from pandapower.control import ConstControl
from pandapower.timeseries import DFData, OutputWriter, run_timeseries

from tandem_sim.experiments.bench.figure import Figure
from tandem_sim.experiments.bench.memory import peak_mib
from tandem_sim.experiments.runs.scenario import read_scenario
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.power_flow.ac import PowerFlow
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.clearing import auction as problem
from tandem_sim.markets.clearing.solvers import solve, solving_by
from tandem_sim.sim.observers import after_delivery
from tandem_sim.sim.run import run, start
from tandem_sim.sim.scenario.scenario import Scenario

DAYS = 2
LONG_DAYS = 8


def isps() -> list[Figure]:
    """A simulated ISP of the reference scenario, all included: its solver, learners, households.

    The limit is the time of the solvers alone for the optimisation problems and power flows of a run.
    """
    ten, one = _isp_ms(_reference(10_000)), _isp_ms(_reference(1000))
    direct = _isp_ms(_reference(10_000, solver="highspy"))
    pools = [f"A{k + 1:02d}" for k in range(10)]
    learning = _isp_ms(_reference(10_000, strategies=[{"aggregators": pools, "name": "q-learning"}]))
    bare, cleared, solved, flows = _bare(_reference(10_000))
    alone = f"bare: {solved:.1f} LPs, {flows:.1f} flows"
    return [
        Figure(
            name="simulated ISP, reference, multilevel-03",
            value=ten,
            unit="ms",
            target=5,
            better="lower",
            limit=bare,
            against=alone,
        ),
        Figure(
            name="the same, solver: highspy",
            value=direct,
            unit="ms",
            target=5,
            better="lower",
            limit=ten,
            against="linprog",
        ),
        Figure(
            name="the same, 10 learning aggregators",
            value=learning,
            unit="ms",
            target=1.2 * ten,
            better="lower",
            limit=ten,
            against="truthful",
        ),
        Figure(
            name="10 times the households",
            value=ten,
            unit="ms",
            target=2.0 * one,
            better="lower",
            limit=one,
            against="1 000 households",
        ),
        Figure(
            name="programmes solved for an ISP",
            value=solved,
            unit="",
            target=None,
            better="lower",
            limit=cleared,
            against="auctions",
        ),
    ]


def _reference(households: int, **fields: Any) -> Scenario:
    return read_scenario("reference", {"households": households, "days": DAYS, **fields})[0]


def _isp_ms(scenario: Scenario) -> float:
    """Mean time of an ISP from the first delivery to the last, day-ahead gates and all that lies between."""
    moments: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        run(
            scenario,
            None,
            Path(folder),
            observers=[after_delivery(lambda isp: moments.append(time.perf_counter()))],
        )
    return 1000.0 * (moments[-1] - moments[0]) / (len(moments) - 1)


class _SolverInputs:
    """The inputs of all solver calls of a run, and the number of auctions cleared without a solver."""

    def __init__(self) -> None:
        self.by_merit = 0
        self.problems: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        self.flows: list[tuple[PowerFlow, tuple[Any, ...]]] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Record the inputs of solvers within this context."""
        by_merit, flow = problem._by_merit, PowerFlow.solve

        def cleared(*given: Any) -> Any:
            self.by_merit += 1
            return by_merit(*given)

        def solved(*given: Any, **options: Any) -> Any:
            self.problems.append((given, options))
            return solve(*given, **options)

        def flowed(of: PowerFlow, *given: Any) -> Any:
            self.flows.append((of, given))
            return flow(of, *given)

        with (
            patch.object(problem, "solve", solved),
            patch.object(problem, "_by_merit", cleared),
            patch.object(PowerFlow, "solve", flowed),
        ):
            yield


class _Timed:
    """A solver's model that measures the time of its power flows alone."""

    def __init__(self, model: Any) -> None:
        self._model, self.seconds = model, 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def ac_pf(self, *given: Any) -> Any:
        begin = time.perf_counter()
        found = self._model.ac_pf(*given)
        self.seconds += time.perf_counter() - begin
        return found


def _bare(scenario: Scenario) -> tuple[float, float, float, float]:
    """Per ISP: ms of its solves alone, auctions cleared, optimisation problems solved, power flows.

    Problems are passed to HiGHS directly; of a power flow only the call of its solver is timed.
    """
    kept = _SolverInputs()
    with tempfile.TemporaryDirectory() as folder, kept.watching():
        run(scenario, None, Path(folder))
    begin = time.perf_counter()
    with solving_by("highspy"):
        for given, options in kept.problems:
            solve(*given, **options)
    seconds = time.perf_counter() - begin
    timed = {id(flow): flow for flow, _ in kept.flows}
    for flow in timed.values():
        flow._model = _Timed(flow._model)
    for flow, injections in kept.flows:
        flow.solve(*injections)
    seconds += sum(flow._model.seconds for flow in timed.values())
    n = DAYS * 96
    cleared = (kept.by_merit + len(kept.problems)) / n
    return 1000.0 * seconds / n, cleared, len(kept.problems) / n, len(kept.flows) / n


def memory() -> list[Figure]:
    """Peak memory of a run of some days, in a process of its own, beside the peak after its first day."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        first, last = pool.apply(_peaks_mib)
    what = f"peak memory, {LONG_DAYS} days"
    return [
        Figure(
            name=what,
            value=last,
            unit="MiB",
            target=1536,
            better="lower",
            limit=first,
            against="after one day",
        )
    ]


def _peaks_mib() -> tuple[float, float]:
    """Peak memory of this process after the first day of a run, and after the last."""
    peaks: list[float] = []

    def on_isp(isp: int) -> None:
        if isp % 96 == 95:
            peaks.append(peak_mib())

    with tempfile.TemporaryDirectory() as folder:
        run(
            read_scenario("reference", {"days": LONG_DAYS})[0],
            None,
            Path(folder),
            observers=[after_delivery(on_isp)],
        )
    return peaks[0], peaks[-1]


def timeseries() -> list[Figure]:
    """The power flows of a day's ISPs on the same grids, by `PowerFlow` and by ``pandapower.timeseries``.

    It has nothing but power flow: no market, no agent, no household. Its power flow starts from the last
    state and is compiled, its results are voltages and loadings.
    """
    scenario = _reference(10_000)
    with tempfile.TemporaryDirectory() as folder:
        model = start(scenario, None, Path(folder))
    homes = model.fleet_agent.fleet.baseline_ahead(0, 96)
    states: list[tuple[Network, FloatArray, FloatArray]] = []
    for area in model.areas:
        days = [area.injections(k, homes.site_base_kw[k], homes.site_load_kw[k]) for k in range(96)]
        states.append((area.network, np.array([p for p, _ in days]), np.array([q for _, q in days])))
    load = model.load_mw[:96]
    states.append((model.transmission, load, 0.3 * load))
    ours = sum(_ours_ms(*state) for state in states)
    theirs = sum(_timeseries_ms(*state) for state in states)
    return [
        Figure(
            name="AC validation, a day of ISPs",
            value=ours,
            unit="ms",
            target=None,
            better="lower",
            limit=theirs,
            against="pandapower.timeseries",
        )
    ]


def _ours_ms(network: Network, p_mw: FloatArray, q_mvar: FloatArray) -> float:
    """Time of an ISP, of (T, N) injections."""
    flow = PowerFlow(network)
    begin = time.perf_counter()
    for p, q in zip(p_mw, q_mvar, strict=True):
        flow.solve(p, q)
    return 1000.0 * (time.perf_counter() - begin) / len(p_mw)


def _timeseries_ms(network: Network, p_mw: FloatArray, q_mvar: FloatArray) -> float:
    """The same by pandapower, every node's injection a load with a profile of its own."""
    flow = PowerFlow(network)
    flow.reference(p_mw[0], q_mvar[0], compiled=True)  # its net gets one load a node
    net = flow.reference_net
    nodes = net.load.index.to_numpy()
    for quantity, values in (("p_mw", p_mw), ("q_mvar", q_mvar)):
        data = DFData(pd.DataFrame(-values[:, nodes], columns=[f"{n}" for n in nodes]))
        names = [f"{n}" for n in nodes]
        ConstControl(net, "load", quantity, nodes, profile_name=names, data_source=data)
    writer = OutputWriter(net, range(len(p_mw)), output_path=None)
    writer.log_variable("res_bus", "vm_pu")
    writer.log_variable("res_line", "loading_percent")
    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas warns about how pandapower writes columns
        run_timeseries(net, range(len(p_mw)), verbose=False, run=pp.runpp)
    return 1000.0 * (time.perf_counter() - begin) / len(p_mw)
