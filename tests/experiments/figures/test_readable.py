"""What readers stumbled over: odd ticks, hidden lines, missing names, cut headers, signs of zero."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from tandem_sim.experiments.figures.grids import branch_names, grid_figure, worst_branches
from tandem_sim.experiments.figures.style import (
    close_limits,
    hour_by_day,
    house_style,
    new_figure,
    save,
    time_axis,
)
from tandem_sim.experiments.figures.system import by_size
from tandem_sim.experiments.market_power.figure import over_time
from tandem_sim.experiments.queries.query import _cell
from tandem_sim.experiments.results.run_data import RunData, read_run
from tandem_sim.experiments.results.terminal_tables import clearing_tables
from tandem_sim.experiments.results.terminal_text import decimals
from tandem_sim.experiments.studies.bidding import inc_dec_game, learning, pay_rules
from tandem_sim.experiments.studies.low_voltage import clash, envelopes
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.output.recorder import Recorder
from tandem_sim.sim.output.tables import TABLES

ZONE = "Europe/Brussels"
STUDIES = Path(__file__).resolve().parents[3] / "docs" / "studies"


@pytest.fixture(autouse=True)
def _house_style() -> Iterator[None]:
    with house_style():
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    """A day of hours on which clocks change (25 of them), with loadings of two branches."""
    folder = tmp_path_factory.mktemp("runs") / "day"
    calendar = Calendar.of_days("2016-10-30", 1, 60, ZONE)
    record = Recorder(folder, calendar)
    for isp in range(calendar.n_isp):
        record("system", {**dict.fromkeys(TABLES["system"], 0.0), "isp": isp})
        grid = {**dict.fromkeys(TABLES["grid"], 0), "isp": isp, "system": "D1", "converged": True}
        record("grid", {**grid, "base_converged": True, "vm_min_pu": 0.98, "vm_max_pu": 1.02})
        for branch, pct in ((0, 50.0), (7, 80.0 if isp == 3 else 40.0)):
            row = {"isp": isp, "system": "D1", "branch": branch, "loading_pct": pct}
            record("branch_loading", {**row, "base_loading_pct": pct})
    record.close()
    rows = {"system": "D1", "branch": [0, 7], "name": "", "element": ["line 0", "trafo 2"]}
    ends = {"from_bus": [1, 4], "to_bus": pd.array([2, None], dtype="Int64"), "rating_mva": 1.0}
    pd.DataFrame({**rows, **ends}).to_parquet(folder / "branches.parquet")
    pd.DataFrame([{"system": "D1", "vm_limit_min_pu": 0.95, "vm_limit_max_pu": 1.05}]).to_parquet(
        folder / "buses.parquet"
    )
    return read_run(folder, ZONE, "tiny")


def test_the_worst_branch_has_a_name(data: RunData) -> None:
    worst = worst_branches(data, "D1")
    assert worst.branch.tolist() == [0, 0, 0, 7] + [0] * 21
    assert branch_names(data, "D1") == {0: "line 0 (bus 1 to 2)", 7: "trafo 2 (bus 4 to -)"}
    ax = grid_figure(data, "D1").axes[0]
    assert ax.get_title(loc="left") == "Highest branch loading; mostly line 0 (bus 1 to 2), 96 % of ISPs"
    assert [text.get_text() for text in ax.texts] == ["trafo 2 (bus 4 to -), 80 %"]


def test_zeros_have_one_tick(data: RunData, tmp_path: Path) -> None:
    figure = new_figure("Zeros", "", 4, 3)
    ax = figure.subplots()
    ax.plot([0.0, 1.0], [4.4e-17, -1e-17])
    save(figure, tmp_path / "zeros.png")
    assert ax.get_yticks().tolist() == [0.0]
    ax.plot([0.0, 1.0], [0.0, 3.0])
    assert len(ax.get_xticks()) > 1


def test_a_date_stands_at_midnight_alone(data: RunData) -> None:
    ax = new_figure("Day", "", 8, 3).subplots()
    time_axis(ax, data)
    texts = [ax.xaxis.get_major_formatter()(x) for x in ax.get_xticks()]
    assert texts[0] == "00:00\n30 Oct"
    assert texts[-1] == "00:00\n31 Oct"
    assert {text.count("\n") for text in texts[1:-1]} == {0}
    assert ax.get_xlabel() == "Local time, Europe/Brussels (30 Oct 2016)"


def test_hours_by_day_are_local_and_the_doubled_hour_is_a_mean(data: RunData) -> None:
    ax = new_figure("Hours", "", 8, 3).subplots()
    hour_by_day(ax, data, np.arange(25.0), "Power (MW)")
    mesh: Any = ax.collections[0]
    found = np.asarray(mesh.get_array())[:, 0]
    assert found[:4].tolist() == [0.0, 1.0, 2.5, 4.0]  # 02:00 comes twice: ISPs 2 and 3
    assert found[23] == 24.0


def test_extreme_values_are_off_the_scale_and_others_are_not() -> None:
    usual = np.linspace(0.0, 100.0, 1000)
    assert close_limits(usual) is None
    low, high = close_limits(np.append(usual, 10_000.0)) or (0.0, 0.0)
    assert low < 1.0 < 99.0 < high < 200.0


def test_small_receipts_have_their_own_axes() -> None:
    net = pd.DataFrame({"TSO": [-60.0, -40.0], "BRPs": [99.0, 0.0], "Aggregators": [1.0, 0.0]})
    assert by_size(net) == (["TSO", "BRPs"], ["Aggregators"])


def test_bidding_over_time_is_a_mean_over_seeds() -> None:
    rows = pd.DataFrame(
        {
            "scheme": "common",
            "seed": [1, 1, 2, 2],
            "isp": 0,
            "markup_offered_eur_per_mwh": [4.0, 6.0, 10.0, 20.0],
            "profit_above_truthful_eur": [1.0, 2.0, 5.0, 10.0],
        }
    )
    found = over_time(rows).reset_index()
    assert found.markup_eur_per_mwh.tolist() == [10.0]  # (5 + 15) / 2
    assert found.extra_profit_eur.tolist() == [9.0]  # (3 + 15) / 2


@pytest.mark.parametrize(
    ("value", "text"), [(-4.4e-16, "0.00"), (-0.0, "0.00"), (-0.004, "0.00"), (-1.5, "-1.50")]
)
def test_zero_has_no_sign(value: float, text: str) -> None:
    assert decimals(value, 2) == text


def test_rounding_errors_are_zero_in_tables_of_queries() -> None:
    assert [_cell(value) for value in (-4.4e-16, -0.0, 1.5)] == ["0", "0", "1.5"]


@pytest.mark.parametrize("width", [50, 60, 80, 200])
def test_no_header_is_cut(width: int) -> None:
    entry: dict[str, Any] = {
        "scheme": "multilevel-02-post",
        "cost_eur_per_h": -1e-17,
        "inefficiency_pct": 1.5,
    }
    counts = {"congested_lines": 0, "max_overload_pct": 0.0}
    counts |= {"voltage_violations": 1, "max_voltage_violation_pct": 2.0}
    entry |= {**counts, "ac": counts, "unserved_imbalance_mw": 0.0, "seconds": 0.02}
    entry |= {"information": {"numbers": 51_800}, "unqualified_up_pct": 7.0, "unqualified_down_pct": 22.0}
    console = Console(width=width, record=True, file=io.StringIO())
    for table in clearing_tables("little", [entry], width):
        console.print(table)
    text = console.export_text()
    assert "…" not in text
    for word in ("inefficiency", "unserved", "held back", "51,800", "7/22"):
        assert word in text
    assert "-0.000" not in text


def test_figures_of_studies_are_drawn_from_their_tables(tmp_path: Path) -> None:
    """From the tables of the pages: every panel has its unit, and bars and marks stay inside the axes."""

    def read(name: str) -> pd.DataFrame:
        return pd.read_csv(STUDIES / f"{name}.csv", keep_default_na=name != "inc_dec")

    written = [
        learning.figure(read("learning"), read("learning_weeks"), tmp_path),
        pay_rules.figure(read("pay_rules"), read("learned"), tmp_path),
        inc_dec_game.figure(read("inc_dec"), tmp_path),
        clash.figure(read("clash"), tmp_path),
        envelopes.figure(read("envelopes"), read("envelope_participation"), tmp_path),
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
