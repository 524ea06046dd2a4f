"""The study of what a run costs, on a day of few households."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tandem_sim.experiments.studies.scaling import draw, isp_ms, long_run

FEW = {"households": 60, "aggregators": 2, "aggregators_per_bus": 1, "validation.audit_share": 0.0}


def test_a_long_run_is_measured_by_day_and_drawn(tmp_path: Path) -> None:
    days = long_run(tmp_path / "run", 2, FEW)
    assert days.day.tolist() == [1, 2]
    assert days.isps.tolist() == [96, 192]
    assert 0.0 < days.cpu_s[0] < days.cpu_s[1]
    assert (tmp_path / "run" / "figures" / "cost.png").is_file()
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
