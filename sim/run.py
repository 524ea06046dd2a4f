"""The main loop: build the world, start the gates, run, close the books."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sim.build import build_world
from sim.settings import Scenario

DAY_AHEAD_CLEARS_S = 300
"""Seconds between the day-ahead gate and its clearing."""


def run(scenario: Scenario, folder: Path | None, out: Path, on_isp: Callable[[int], None] = lambda isp: None) -> None:
    """Simulate a scenario and write its tables into `out`.

    `folder` is where the scenario's relative paths start; `on_isp` is called after every delivered ISP.
    """
    world, clock = build_world(scenario, folder, out, on_isp)
    calendar = world.calendar
    days, isps = calendar.days(), range(calendar.n_isp)

    def before(name: str) -> list[tuple[int, Any]]:
        lead = round(60 * scenario.gates.minutes()[name])
        return [(calendar.seconds(isp) - lead, isp) for isp in isps]

    end = [(calendar.seconds(isp) + calendar.isp_seconds, isp) for isp in isps]
    clock.gate("schedules", days, world.schedules)
    clock.gate("day_ahead", [(second + DAY_AHEAD_CLEARS_S, day) for second, day in days], world.day_ahead)
    clock.gate("offer", before("offer"), world.offer)
    clock.gate("dso_close", before("dso_close"), world.dso_close)
    for gate in ("dso_clear", "forward", "validate", "correct"):
        clock.gate(gate, before(gate), world.dso_gate(gate))
    clock.gate("tso_close", before("tso_close"), world.tso_close)
    clock.gate("tso_clear", before("tso_clear"), world.tso_clear)
    clock.gate("deliver", [(calendar.seconds(isp), isp) for isp in isps], world.deliver)
    clock.gate("meter", end, world.meter)
    clock.gate("settle", end, world.settle)
    clock.run()
    world.recorder.close()
