from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from tandem_sim.experiments.figures.comparison import comparison_figure
from tandem_sim.experiments.figures.figures import plot_comparison, plot_run
from tandem_sim.experiments.figures.grids import grid_figure, interface_figure
from tandem_sim.experiments.figures.style import FOOTNOTE, house_style
from tandem_sim.experiments.figures.system import (
    cost_figure,
    imbalance_figure,
    net_eur,
    price_figure,
    state_figure,
)
from tandem_sim.experiments.results.run_data import RunData, read_run
from tandem_sim.experiments.run_folder.conflicts import write_conflicts
from tandem_sim.markets.schemes import SCHEMES
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.output.recorder import Recorder
from tandem_sim.sim.output.tables import TABLES

ZONE = "Europe/Brussels"
NAMES = [
    "imbalance.png",
    "balancing_price.png",
    "interface_flows.png",
    "state_of_charge.png",
    "cost.png",
    "grid_D1.png",
    "grid_D2.png",
]
CONFLICTS_TOO = [*NAMES, "conflicts.png"]
"""Where a DSO has bought anything."""
DIVERGED, VIOLATED = 30, (40, 41)
PNG = b"\x89PNG\r\n\x1a\n"


def _record_isp(record: Recorder, isp: int, active: bool) -> None:
    wave = float(np.sin(isp / 8.0))
    system = dict.fromkeys(TABLES["system"], 0.0)
    record(
        "system",
        {
            **system,
            "isp": isp,
            "imbalance_before_mw": 9.0 * wave,
            "imbalance_price_short_eur_per_mwh": 30.0 - 20.0 * wave,
        },
    )
    for k, name in enumerate(("T", "D1", "D2")):
        lost = name == "D2" and isp == DIVERGED
        over = name == "D1" and isp in VIOLATED
        grid = dict.fromkeys(TABLES["grid"], 0)
        physical = {"interface_mw": wave * (k + 1), "max_loading_pct": 110.0 if over else 60.0 + 20.0 * wave}
        physical |= {"vm_min_pu": 0.97 - 0.01 * wave, "vm_max_pu": 1.02}
        if lost:
            physical = dict.fromkeys(physical, float("nan"))
        counts = {
            "congested_lines": int(over),
            "base_congested_lines": int(over or (name == "D1" and isp == 42)),
        }
        record(
            "grid",
            {
                **grid,
                **physical,
                **counts,
                "isp": isp,
                "system": name,
                "converged": not lost,
                "base_converged": True,
            },
        )
    if active:
        _record_trade(record, isp)


def _record_trade(record: Recorder, isp: int) -> None:
    trades = [
        ("tso_market", "T", "G1", 1, 4.0, "TSO"),
        ("tso_market", "D1", "A01", -1, 2.0, "TSO"),
        ("dso_market", "D2", "A01", 1, 1.0, "DSO-D2"),
    ]
    for market, system, provider, direction, mw, payer in trades:
        row = {"isp": isp, "market": market, "system": system, "bid_id": "b", "provider": provider, "node": 1}
        row["purpose"] = "balancing" if payer == "TSO" else "congestion"
        record("activations", {**row, "direction": direction, "quantity_mw": mw, "price_eur_per_mwh": 40.0})
        money = {"isp": isp, "payer": payer, "payee": provider, "quantity_mwh": mw / 4.0}
        record("settlement", {**money, "kind": "activation", "amount_eur": direction * mw * 10.0})
    bill = {"isp": isp, "payer": "TSO", "payee": "BRP-D1", "kind": "imbalance"}
    record("settlement", {**bill, "quantity_mwh": -1.0, "amount_eur": -30.0})
    fee = {"isp": isp, "payer": "A01", "payee": "households", "kind": "household cost"}
    record("settlement", {**fee, "quantity_mwh": 0.0, "amount_eur": 5.0})


def _folder(path: Path, active: bool, days: int = 1, isp_minutes: int = 15) -> Path:
    # Clocks change on 30 October 2016: the day has 100 quarter-hours.
    calendar = Calendar.of_days("2016-10-30", days, isp_minutes, ZONE)
    record = Recorder(path, calendar)
    for isp in range(calendar.n_isp):
        _record_isp(record, isp, active)
    record.close()
    band = {"vm_limit_min_pu": [0.8, 0.9], "vm_limit_max_pu": [1.1, 1.2]}  # of two buses: 0.9 to 1.1 binds
    systems = pd.DataFrame({"system": ["D1", "D2"]})
    systems.merge(pd.DataFrame(band), how="cross").to_parquet(path / "buses.parquet")
    write_conflicts(path, SCHEMES["multilevel-01"], isp_minutes / 60.0)
    return path


@pytest.fixture(scope="module")
def active(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _folder(tmp_path_factory.mktemp("runs") / "active", True)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _folder(tmp_path_factory.mktemp("runs") / "quiet", False)


@pytest.fixture(scope="module")
def data(active: Path) -> RunData:
    return read_run(active, ZONE, "tiny, central-01")


@pytest.fixture(scope="module")
def long_data(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    folder = _folder(tmp_path_factory.mktemp("runs") / "long", True, days=40, isp_minutes=60)
    return read_run(folder, ZONE, "forty days")


@pytest.fixture(autouse=True)
def _house_style() -> Iterator[None]:
    with house_style():
        yield


def _figures(data: RunData, grids: Sequence[str] = ("D1", "D2")) -> list[Figure]:
    whole = [imbalance_figure, price_figure, interface_figure, state_figure, cost_figure]
    parts = [grid_figure(data, name) for name in grids]
    return [*(draw(data) for draw in whole), *parts, comparison_figure({"a": data, "b": data})]


def _titled(figure: Figure, start: str) -> Axes:
    return next(ax for ax in figure.axes if ax.get_title(loc="left").startswith(start))


def _legend(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


@pytest.fixture(scope="module")
def drawn(active: Path) -> dict[str, bytes]:
    """The figures of the run in which something happens, drawn once."""
    return {path.name: path.read_bytes() for path in plot_run(active, ZONE, "tiny, central-01")}


def test_short_and_long_price_are_both_drawn_and_named(data: RunData) -> None:
    given = replace(data, given=frozenset({"imbalance"}))  # short 30 - 20 sin, long 0
    figure = price_figure(given)
    ax = figure.axes[0]
    drawn: list[Any] = [step for step in ax.patches if isinstance(step, StepPatch)]
    steps = {step.get_label(): step.get_data().values for step in drawn}
    assert steps["Imbalance price, short pays, given"] == pytest.approx(
        data.system.imbalance_price_short_eur_per_mwh
    )
    assert not steps["Imbalance price, long receives, given"].any()
    assert "Given by the scenario, not a result: imbalance prices." in figure._supxlabel.get_text()  # type: ignore[attr-defined]
    short = data.system.imbalance_price_short_eur_per_mwh
    one = replace(data, system=data.system.assign(imbalance_price_long_eur_per_mwh=short))
    labels = [text.get_text() for text in price_figure(one).axes[0].get_legend().get_texts()]  # type: ignore[union-attr]
    assert labels == ["Imbalance price", "Day-ahead price"]


def test_every_figure_is_written(drawn: dict[str, bytes], active: Path) -> None:
    assert list(drawn) == CONFLICTS_TOO
    assert all(content.startswith(PNG) for content in drawn.values())
    assert {path.name: path.read_bytes() for path in (active / "figures").iterdir()} == drawn


def test_every_figure_of_a_run_in_which_nothing_happens_is_written(quiet: Path) -> None:
    written = plot_run(quiet, ZONE, "tiny, central-01")
    assert [path.name for path in written] == NAMES
    assert all(path.parent == quiet / "figures" and path.read_bytes().startswith(PNG) for path in written)


def test_the_same_run_gives_the_same_bytes_whatever_the_settings_of_the_process(
    active: Path, drawn: dict[str, bytes]
) -> None:
    # A person's own settings neither change the figures nor are changed by them.
    mpl.rcParams["font.size"] = 17.0
    again = {path.name: path.read_bytes() for path in plot_run(active, ZONE, "tiny, central-01")}
    assert again == drawn
    assert mpl.rcParams["font.size"] == 17.0
    assert not any(b"Software" in content for content in drawn.values())


def test_comparison_is_written(active: Path, quiet: Path, tmp_path: Path) -> None:
    written = plot_comparison({"multilevel-03": active, "central-01": quiet}, ZONE, tmp_path / "figures")
    assert [path.name for path in written] == ["comparison.png"]
    assert written[0].read_bytes().startswith(PNG)


@pytest.mark.parametrize("which", ["data", "long_data"])
def test_every_axis_names_its_unit_and_every_figure_its_source(
    which: str, request: pytest.FixtureRequest
) -> None:
    for figure in _figures(request.getfixturevalue(which)):
        labels = [label for ax in figure.axes for label in (ax.get_xlabel(), ax.get_ylabel()) if label]
        assert labels
        assert all(re.search(r"\(.+\)$", label) for label in labels), labels
        assert figure.get_supxlabel().endswith(FOOTNOTE)
        assert figure.get_suptitle()


def test_a_day_of_100_quarters_ends_at_local_midnight(data: RunData) -> None:
    assert len(data.edges) == 101
    assert data.hours == 0.25
    assert len(data.first_of_day) == 1
    ax = imbalance_figure(data).axes[-1]
    first, last = (ax.xaxis.get_major_formatter()(x) for x in ax.get_xlim())
    assert (first, last) == ("00:00\n30 Oct", "00:00\n31 Oct")


def test_days_of_25_hours_are_reduced_whole(long_data: RunData) -> None:
    day = long_data.daily(np.ones(len(long_data.system)))
    assert day["sum"].tolist() == [25.0] + [24.0] * 39
    assert len(long_data.day_edges) == 41


def test_energy_is_split_by_source_and_direction(data: RunData) -> None:
    mwh = data.energy_mwh.sum()
    hours = 25.0
    assert mwh["transmission", 1] == pytest.approx(4.0 * hours)
    assert mwh["balancing", -1] == pytest.approx(2.0 * hours)
    assert mwh["local", 1] == pytest.approx(1.0 * hours)
    assert mwh.sum() == pytest.approx(7.0 * hours)


def test_net_receipts_sum_to_zero(data: RunData) -> None:
    net = net_eur(data)
    assert list(net.columns) == [
        "TSO",
        "DSO-D2",
        "BRPs",
        "Aggregators",
        "Sellers on\ntransmission",
        "Households",
    ]
    assert np.allclose(net.sum(axis=1), 0.0)
    assert net["TSO"].sum() == pytest.approx(100 * (-40.0 + 20.0 + 30.0))
    assert _legend(_titled(cost_figure(data), "Net receipts"))[0] == "TSO\n1,000 EUR"


def test_nothing_bought_is_said(quiet: Path) -> None:
    silent = read_run(quiet, ZONE, "quiet")
    assert [t.get_text() for t in _titled(cost_figure(silent), "Net").texts] == ["No payments"]
    assert [t.get_text() for t in _titled(imbalance_figure(silent), "Activated").texts] == [
        "Nothing was activated"
    ]


def test_a_diverged_isp_is_marked_and_leaves_a_gap(data: RunData) -> None:
    rows = data.grid_of("D2")
    assert np.flatnonzero(rows.max_loading_pct.isna()).tolist() == [DIVERGED]
    strip = _titled(grid_figure(data, "D2"), "ISPs with")
    assert [label.get_text() for label in strip.get_yticklabels()] == [
        "without activation",
        "after activation",
        "diverged",
    ]
    assert "diverged: 1 of 100" in strip.get_title(loc="left")


def test_a_diverged_power_flow_hides_its_numbers(data: RunData) -> None:
    grid = data.grid.copy()
    grid.loc[grid.isp == 3, "converged"] = False
    assert np.isnan(replace(data, grid=grid).grid_of("D1").vm_min_pu.iloc[3])


def test_a_grid_whose_power_flow_always_diverged_can_be_drawn(data: RunData) -> None:
    lost = replace(data, grid=data.grid.assign(converged=False))
    figures = [grid_figure(lost, "D1"), interface_figure(lost), comparison_figure({"a": lost})]
    for figure in figures:
        figure.canvas.draw()
    texts = [text.get_text() for text in _titled(figures[0], "Bus voltages").texts]
    assert texts == ["No voltages: the power flow did not converge"]


def test_voltage_limits_are_drawn_only_when_near(data: RunData) -> None:
    far = _titled(grid_figure(data, "D1"), "Bus voltages")
    assert far.get_title(loc="left").endswith("(off the scale: limits 0.9 and 1.1 p.u.)")
    high = replace(data, grid=data.grid.assign(vm_max_pu=1.09))
    near = _titled(grid_figure(high, "D1"), "Bus voltages")
    assert _legend(near) == ["Highest bus", "Lowest bus", "Limit 1.1 p.u."]


def test_bars_count_isps_with_violations(data: RunData) -> None:
    ax = _titled(comparison_figure({"a": data, "b": data}), "Violations")
    assert [float(bar.get_width()) for bar in ax.patches] == [3.0, 2.0, 3.0, 2.0]  # type: ignore[attr-defined]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]


def test_long_horizons_show_daily_values(long_data: RunData) -> None:
    figure = imbalance_figure(long_data)
    assert _titled(figure, "Activated").get_ylabel() == "Energy (MWh per day)"
    assert figure.get_supxlabel().startswith("Lines: daily mean")


def test_one_isp_can_be_drawn(data: RunData) -> None:
    first = data.system.isp == 0
    single = replace(
        data,
        system=data.system[first],
        grid=data.grid[data.grid.isp == 0],
        settlement=data.settlement[data.settlement.isp == 0],
        energy_mwh=data.energy_mwh[first.to_numpy()],
    )
    for figure in _figures(single, ["D1"]):
        figure.canvas.draw()


def test_the_time_column_is_utc(active: Path) -> None:
    table = pd.read_parquet(active / "system.parquet")
    assert str(table.time.iloc[0]) == "2016-10-29 22:00:00+00:00"
