"""The study of what a run costs, on days of few households and 24 ISPs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tandem_sim.experiments.runs.scenario import read_scenario
from tandem_sim.experiments.studies.scaling import scaling
from tandem_sim.experiments.studies.scaling.scaling import draw, isp_ms, long_run
from tandem_sim.sim.scenario.scenario import Scenario

FEW = {"households": 60, "aggregators": 2, "aggregators_per_bus": 1}


@pytest.fixture(autouse=True)
def _hourly(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is measured are the hours of the reference scenario."""

    def hourly(name: str, fields: dict[str, Any]) -> tuple[Scenario, Path | None]:
        return read_scenario(name, {**fields, "isp_minutes": 60, "power_flow_check.audit_share": 0.0})

    monkeypatch.setattr(scaling, "read_scenario", hourly)
    monkeypatch.setattr(scaling, "PER_DAY", 24)


def test_a_long_run_is_measured_by_day_and_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Path] = []
    monkeypatch.setattr("tandem_sim.experiments.runs.run.plot_run", lambda run, *given: drawn.append(run))
    days = long_run(tmp_path / "run", 2, FEW)
    assert days.day.tolist() == [1, 2]
    assert days.isps.tolist() == [24, 48]
    assert 0.0 < days.cpu_s[0] < days.cpu_s[1]
    assert len(drawn) == 1  # the figures are part of what the run costs
    homes = pd.DataFrame(
        [{"households": n, "isp_ms": 10.0 + n / 1000, "start_s": 2.0} for n in (1000, 10_000)]
    )
    draw(days, homes, tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").stat().st_size > 10_000


def test_an_isp_is_measured_by_households() -> None:
    found = isp_ms(60, 1)
    assert found["households"] == 60
    assert found["isp_ms"] > 0.0
    assert found["start_s"] > 0.0
