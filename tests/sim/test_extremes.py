"""A longer walk over the schema: every number at both ends of its range, in a world that is built and run."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tandem_sim.experiments.runs.fields import Row
from tandem_sim.experiments.runs.scenario import scenario_of
from tandem_sim.grids.errors import InputError
from tandem_sim.sim.inputs import memory_need
from tandem_sim.sim.inputs.memory_need import GIB
from tandem_sim.sim.observers import after_delivery
from tandem_sim.sim.run import run
from tests.sim.everything import EVERYTHING, NUMBERS, holding, with_field

ISPS = 3
MOST_S = 10.0
"""Of processor time, for a busy machine is no fault of a value."""
EMERGENCY = {
    "area": "D1",
    "buses": [3],
    "start": "2016-01-18T17:00",
    "end": "2016-01-18T18:00",
    "cause": "works",
}
NEEDED: dict[str, dict[str, Any]] = {
    "aggregation_step_mw": {"scheme": "aggregation", "aggregation": "discrete"},
    "boundary_tolerance_mw": {"scheme": "shared-balancing"},
    "mol_rounds": {"scheme": "hybrid"},
    "willingness_spread": {"scheme": "integrated"},
    "settlement.x": {"settlement": {"baseline": "high_x_of_y", "y": 60}},
    "settlement.y": {"settlement": {"baseline": "high_x_of_y"}},
    "settlement.before_isps": {"settlement": {"baseline": "mbma"}},
    "messages.spread_s": {"messages": {"distribution": "lognormal"}},
    "non_firm.windows": {"non_firm": {"enabled": True, "windows": [{"from_hour": 1, "to_hour": 20}]}},
    "non_firm.hours_each": {"non_firm": {"enabled": True, "guaranteed_import_kw": 4.2}},
    "flexibility_register.study.emergencies": {
        "grid_prequalification": "static",
        "flexibility_register": {"enabled": True, "study": {"emergencies": [EMERGENCY]}},
    },
}
"""What must be chosen for a field to have an effect, beside what everything has."""


class Reached(Exception):
    """As many ISPs as wanted."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """What takes more of the processor is broken off, as far as it is Python's."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"more than {seconds:g} s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, before)


def _base(row: Row) -> dict[str, Any]:
    needed = next((more for path, more in NEEDED.items() if row.path.startswith(path)), {})
    base = {**EVERYTHING, **needed}
    if "scheme" in needed:  # schemes without a local market first
        base |= {"local_reactive": {}, "mitigation": {}}
        base["non_firm"] = {**EVERYTHING["non_firm"], "substitution": ["portfolio"]}
    return base


def _few_isps(data: dict[str, Any], folder: Path) -> str:
    """Run a few ISPs: empty, or why that cannot be."""

    def watch(isp: int) -> None:
        if isp >= ISPS:
            raise Reached

    try:
        run(scenario_of(data, "extreme"), None, folder, observers=[after_delivery(watch)])
    except Reached:
        pass
    except InputError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module", autouse=True)
def _grids_are_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert _few_isps(EVERYTHING, tmp_path_factory.mktemp("first")) == ""


@pytest.mark.long("300 worlds of 1 to 10 s: accepted values that nobody has tried yet")
@pytest.mark.parametrize("end", ["low", "high"])
@pytest.mark.parametrize("row", NUMBERS, ids=[row.path for row in NUMBERS])
def test_a_world_at_the_end_of_a_range_runs_or_says_why_not(
    row: Row, end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_need, "machine_bytes", lambda: 2 * GIB)  # ten million households take 14
    value = row.low if end == "low" else row.high
    with at_most(MOST_S):
        print(_few_isps(with_field(row, holding(row, value), _base(row)), tmp_path))
