"""Types of feeders: one case by hand for each, and what binds in it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tandem_sim.experiments.studies.low_voltage.envelope_feeders import classified, counted, driver
from tandem_sim.grids.low_voltage.limits import Band
from tests.grids.feeders import line_of


def test_a_strong_feeder_is_of_type_1() -> None:
    found = classified(line_of([0.01, 0.01], [1.0, 1.0]), np.full(2, 9.2), Band())
    assert found["type"] == 1
    assert found["optimal_pct"] == pytest.approx(100.0, abs=0.01)
    assert (found["import_by"], found["export_by"]) == ("nothing", "nothing")
    assert found["safe"] == 1.0


def test_a_line_that_all_share_is_of_type_2_and_driven_by_current() -> None:
    # 0.05 kA carry 34.64 kVA at 0.4 kV, whoever takes them: of 60 kW that is 57.7 % under either rule.
    found = classified(line_of([1e-6, 1e-6], [0.05, 0.05]), np.full(2, 30.0), Band())
    assert found["type"] == 2
    assert found["optimal_pct"] == pytest.approx(57.7, abs=0.1)
    assert found["fair_pct"] == pytest.approx(57.7, abs=0.1)
    assert (found["import_by"], found["export_by"]) == ("current", "current")


def test_a_near_and_a_far_user_are_of_type_3_and_driven_by_voltage() -> None:
    # The far user harms the voltage at its end fifty times as much as the near one: served last, it has next
    # to nothing, and the sum is almost all the near one's connection on top.
    found = classified(line_of([0.01, 0.49], [1.0, 1.0]), np.full(2, 200.0), Band(0.95, 1.05))
    assert found["type"] == 3
    assert float(found["optimal_pct"]) > 1.5 * float(found["fair_pct"])
    assert (found["import_by"], found["export_by"]) == ("voltage", "voltage")


def test_a_weak_branch_makes_type_3_by_current() -> None:
    # Shares are equal, so the branch's user holds the other back.
    found = classified(line_of([1e-6, 1e-6], [1.0, 0.01]), np.full(2, 30.0), Band())
    assert found["type"] == 3
    assert (found["import_by"], found["export_by"]) == ("current", "current")


def test_the_driver_is_what_most_users_meet() -> None:
    words = (
        "connection",
        "import: current of line 1; export: high voltage at a",
        "import: low voltage at b; export: high voltage at b",
        "import: current of line 1",
    )
    assert driver(words, "import") == "current"
    assert driver(words, "export") == "voltage"
    assert driver(("connection", "firm", "export: the last check"), "export") == "nothing"


def test_feeders_are_counted_by_kind() -> None:
    by = {
        f"{rule}{way}_by": ["current", "voltage", "nothing"]
        for rule in ("", "optimal_")
        for way in ("import", "export")
    }
    about = {"kind": ["urban"] * 3, "low_pu": 0.9, "high_pu": 1.1, "size_kw": "9.2"}
    (row,) = counted(pd.DataFrame(about | {"type": [2, 3, 1]} | by)).to_dict("records")
    assert [row[f"type_{k}"] for k in (1, 2, 3)] == [1, 1, 1]
    assert row["feeders"] == 3
    assert row["import_by_current"] == row["export_by_voltage"] == 1
