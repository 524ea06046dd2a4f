"""The main loop: build the model, set up the gates, run, write and check the tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tandem_sim.agents.strategies.allowed_code import NO_CODE, AllowedCode
from tandem_sim.markets.clearing.solvers import solving_by
from tandem_sim.markets.orders.penalties import admitting
from tandem_sim.sim.assembly.agents import CreationOrder
from tandem_sim.sim.assembly.build import build_model
from tandem_sim.sim.checkpoint import Checkpoints
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.clock.clock import Clock
from tandem_sim.sim.clock.interruption import requested_end, signals_deferred
from tandem_sim.sim.model import FlexibilityModel
from tandem_sim.sim.output.export_isp import IspExport
from tandem_sim.sim.scenario.named_code import limit_strategies
from tandem_sim.sim.scenario.scenario import Scenario
from tandem_sim.sim.settlement.reconcile import reconcile
from tandem_sim.sim.timetable import NOMINATE_S, local_auctions, nominations, tenders, tso_auctions

DAY_AHEAD_CLEARS_S = 3600
"""Seconds between the day-ahead gate and its clearing."""
OnStep = Callable[[str, int, int], None]
"""Called with the name of a step after the simulation, its parts done, and all its parts."""
Gate = tuple[str, list[tuple[int, Any]], Callable[[Any], None]]
"""Name of a gate, its (second, argument) in order, and the action called with each argument."""


def no_step(step: str, done: int, total: int) -> None:
    """Nobody watches."""


@contextmanager
def auctions_of(scenario: Scenario) -> Iterator[None]:
    """Within this context, auctions use the solver of a scenario, and penalties above its price limits."""
    with solving_by(scenario.solver), admitting(scenario.product.admitted_eur_per_mwh):
        yield


def run(
    scenario: Scenario,
    folder: Path | None,
    out: Path,
    on_isp: Callable[[int], None] = lambda isp: None,
    creation_order: CreationOrder = list,
    export: IspExport | None = None,
    checkpoints: Checkpoints | None = None,
    allowed: AllowedCode = NO_CODE,
    on_step: OnStep = no_step,
) -> None:
    """Simulate a scenario and write its tables into `out`. Raises `AuditError` if the tables disagree.

    Relative paths of the scenario start at `folder`; `on_isp` is called after every delivered ISP.
    `creation_order` sorts agents and processes before their creation: no result depends on it, and tests
    reverse it. `export` collects the market of one ISP. With `checkpoints` the run continues from the newest
    one, if any, and takes more. A signal to end (`interruption`) takes effect between two ISPs: the run takes
    a checkpoint and raises `Interrupted`. Strategies of users come from `allowed` code. `on_step` is called
    while tables are written and checked.
    """
    model, clock = start(scenario, folder, out, on_isp, creation_order, export, checkpoints, allowed)
    with auctions_of(scenario), signals_deferred():
        _run_with_checkpoints(model, clock, checkpoints)
    model.recorder.close(lambda done, total: on_step("writing tables", done, total))
    on_step("checking tables", 0, 1)
    reconcile(out, scenario.isp_minutes / 60.0)


def _run_with_checkpoints(model: FlexibilityModel, clock: Clock, checkpoints: Checkpoints | None) -> None:
    """Run to the end; take a checkpoint where one is due, or when a signal requests the end."""
    calendar = model.calendar
    end = calendar.seconds(calendar.n_isp)
    due = set() if checkpoints is None else set(checkpoints.moments(clock.now(), end))
    isps = range(clock.now() // calendar.isp_seconds + 1, calendar.n_isp)
    for second in [*sorted(due.union(map(calendar.seconds, isps))), None]:
        if second is None:
            clock.run()
        else:
            clock.run_through(second)
        interrupted = requested_end()
        if checkpoints is not None and (second in due or (interrupted and checkpoints.are_taken)):
            checkpoints.save(model, clock)
        if interrupted:
            raise interrupted


def start(
    scenario: Scenario,
    folder: Path | None,
    out: Path,
    on_isp: Callable[[int], None] = lambda isp: None,
    creation_order: CreationOrder = list,
    export: IspExport | None = None,
    checkpoints: Checkpoints | None = None,
    allowed: AllowedCode = NO_CODE,
) -> tuple[FlexibilityModel, Clock]:
    """A model with all gates ahead, and its clock; arguments as in `run`. The caller closes its recorder."""
    spool = None if checkpoints is None else checkpoints.spool
    model, clock = build_model(scenario, folder, out, on_isp, creation_order, spool, allowed)
    if export is not None:
        model.export, export.transmission, export.areas = export, model.transmission, model.areas
    begin = clock.now()
    if checkpoints is not None:
        checkpoints.restore(model, clock)
        if model.export is not None and export is not None:
            model.export.folder = export.folder  # the run may have been moved meanwhile
    limit_strategies((*model.aggregators, *model.transmission_sellers), scenario.strategy_limit_s)
    for name, moments, action in creation_order(_gates(scenario, model, begin)):
        ahead = [(second, what) for second, what in moments if second >= clock.now()]
        clock.gate(name, ahead, action)
    return model, clock


def moments_ahead(scenario: Scenario, calendar: Calendar) -> dict[str, list[tuple[int, int]]]:
    """Gates at lead times before delivery, by name: (second, ISP) in order."""
    return {
        name: sorted((calendar.seconds(isp) - lead, isp) for isp in range(calendar.n_isp) for lead in leads)
        for name, leads in scenario.gates.rounds_s(scenario.mol_rounds).items()
    }


def _gates(scenario: Scenario, model: FlexibilityModel, begin: int) -> list[Gate]:
    """All gates of a scenario whose first event is at second `begin`: their times and actions."""
    calendar = model.calendar
    days, before = calendar.days(), moments_ahead(scenario, calendar)
    end = [(calendar.seconds(isp) + calendar.isp_seconds, isp) for isp in range(calendar.n_isp)]
    return [
        *_study_gates(model, begin),
        *_selling_gates(scenario, model, begin),
        ("schedules", days, model.schedules),
        ("day_ahead", [(second + DAY_AHEAD_CLEARS_S, day) for second, day in days], model.day_ahead),
        ("offer", before["offer"], model.offer),
        ("dso_close", before["dso_close"], model.dso_close),
        *(
            (gate, before[gate], model.dso_gate(gate))
            for gate in ("dso_clear", "forward", "prequalify", "mol_validate", "correct")
        ),
        *([("amend", before["amend"], model.amend)] if scenario.forwarding.amend else []),
        ("tso_close", before["tso_close"], model.tso_close),
        ("mol", before["mol"], model.mol),
        ("tso_clear", before["tso_clear"], model.tso_clear),
        *([("declare", before["declare"], model.declare)] if scenario.settlement.measures else []),
        ("deliver", [(calendar.seconds(isp), isp) for isp in range(calendar.n_isp)], model.deliver),
        ("meter", end, model.meter),
        ("settle", end, model.settle),
        *_limiting_gates(scenario, model, before),
    ]


def _limiting_gates(
    scenario: Scenario, model: FlexibilityModel, before: dict[str, list[tuple[int, int]]]
) -> list[Gate]:
    """Gates of non-firm connections, if the scenario has such contracts."""
    settings, non_firm = scenario.non_firm, model.non_firm
    if non_firm is None or not settings.enabled:
        return []
    gates: list[Gate] = []
    if settings.role == "prequalification":
        gates.append(("limit_ahead", before["limit_ahead"], non_firm.limit(after_markets=False)))
    gates.append(("limit", before["limit"], non_firm.limit(after_markets=True)))
    if settings.trading:
        gates.append(("trade", before["trade"], non_firm.trade))
    gates += [("assess", before["assess"], non_firm.assess), ("report", before["report"], non_firm.report)]
    if "tso" in settings.substitution:
        gates.append(("substitute", before["substitute"], non_firm.substitute))
    return gates


def _study_gates(model: FlexibilityModel, begin: int) -> list[Gate]:
    """The gate of network flexibility studies, if any; events before the run are processed at its start."""
    calendar, studies = model.calendar, [dso.study for dso in model.dsos if dso.study is not None]
    if not studies:
        return []
    seconds = {begin} | {s for study in studies for s in study.timeline.moments() if s > begin}
    end = calendar.seconds(calendar.n_isp)
    return [
        ("study", [(s, max(s, 0) // calendar.isp_seconds) for s in sorted(seconds) if s < end], model.study)
    ]


def _selling_gates(scenario: Scenario, model: FlexibilityModel, begin: int) -> list[Gate]:
    """Gates of the flexibility register and of capacity auctions, if the scenario has them."""
    if model.flexibility is None:
        return []
    calendar, settings = model.calendar, scenario.capacity
    days = calendar.days()
    before = range(begin, days[0][0], 86_400)  # capacity may be bought long before the first day
    moments = [*((second, days[0][1]) for second in before), *(day for day in days if day[0] > begin)]
    if not before:
        moments.insert(0, (begin, days[0][1]))
    gates: list[Gate] = [("connection", moments, model.connection)]
    if model.needs is None:
        return gates
    auctions = tso_auctions(calendar, settings)
    gates += [("tender", tenders(auctions), model.tender), ("clear_capacity", auctions, model.clear_capacity)]
    if settings.local.needs:
        local = local_auctions(calendar, settings)
        gates += [
            ("tender_local", tenders(local), model.tender_local),
            ("clear_local", local, model.clear_local),
        ]
    if settings.nomination:
        close = nominations(calendar)
        gates += [
            ("nominate", [(second - NOMINATE_S, day) for second, day in close], model.nominate),
            ("close_nominations", close, model.close_nominations),
        ]
    return gates
