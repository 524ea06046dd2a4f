"""The main loop: build the world, start the gates, run, close the books."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sim.build import Arrange, build_world
from sim.settings import Scenario

DAY_AHEAD_CLEARS_S = 3600
"""Seconds between the day-ahead gate and its clearing."""


def run(
    scenario: Scenario,
    folder: Path | None,
    out: Path,
    on_isp: Callable[[int], None] = lambda isp: None,
    arrange: Arrange = list,
) -> None:
    """Simulate a scenario and write its tables into `out`.

    `folder` is where the scenario's relative paths start; `on_isp` is called after every delivered ISP.
    `arrange` orders the creation of agents and processes: no result depends on it, and tests reverse it.
    """
    world, clock = build_world(scenario, folder, out, on_isp, arrange)
    calendar = world.calendar
    days, isps = calendar.days(), range(calendar.n_isp)
    leads = {name: round(60 * minutes) for name, minutes in scenario.gates.minutes().items()}
    before = {name: [(calendar.seconds(isp) - lead, isp) for isp in isps] for name, lead in leads.items()}
    end = [(calendar.seconds(isp) + calendar.isp_seconds, isp) for isp in isps]
    gates: list[tuple[str, list[tuple[int, Any]], Callable[[Any], None]]] = [
        ("schedules", days, world.schedules),
        ("day_ahead", [(second + DAY_AHEAD_CLEARS_S, day) for second, day in days], world.day_ahead),
        ("offer", before["offer"], world.offer),
        ("dso_close", before["dso_close"], world.dso_close),
        *(
            (gate, before[gate], world.dso_gate(gate))
            for gate in ("dso_clear", "forward", "validate", "correct")
        ),
        ("tso_close", before["tso_close"], world.tso_close),
        ("tso_clear", before["tso_clear"], world.tso_clear),
        ("deliver", [(calendar.seconds(isp), isp) for isp in isps], world.deliver),
        ("meter", end, world.meter),
        ("settle", end, world.settle),
    ]
    for name, moments, action in arrange(gates):
        clock.gate(name, moments, action)
    clock.run()
    world.recorder.close()
