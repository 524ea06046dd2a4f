"""The figure of the effect of bid checks by DSOs: numbers by hand from eight quarter-hours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle, StepPatch

from tandem_sim.experiments.figures.bid_checks import (
    bid_check_figure,
    broken_limits,
    cost_eur,
    difference,
    has_bid_checks,
    held_back_mw,
    overload_pct,
    reference_of,
    stopped_bids,
)
from tandem_sim.experiments.figures.figures import plot_comparison
from tandem_sim.experiments.figures.style import FOOTNOTE, house_style
from tandem_sim.experiments.results.kpis import held_back_mwh
from tandem_sim.experiments.results.run_data import RunData, read_run
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.output.recorder import Recorder
from tandem_sim.sim.output.tables import TABLES

ZONE = "Europe/Brussels"
ISPS = 8
Overloads = dict[tuple[int, str], tuple[float, float]]  # by ISP and grid: after and before activation, %
EMPTY = {"string": "", "int64": 0, "double": 0.0, "bool": False}


def _write(record: Recorder, table: str, **given: Any) -> None:
    blank = {column: EMPTY[str(kind)] for column, kind in TABLES[table].items()}
    record(table, {**blank, **given})


def _write_grids(record: Recorder, isp: int, over: Overloads) -> None:
    _write(record, "grid", isp=isp, system="T", converged=True, max_overload_pct=99.0)
    for system in ("D1", "D2"):
        after, before = over.get((isp, system), (0.0, 0.0))
        counts = {"congested_lines": int(after > 0.0), "base_congested_lines": int(before > 0.0)}
        sizes = {"max_overload_pct": after, "base_max_overload_pct": before}
        both = {"converged": True, "base_converged": True}
        _write(record, "grid", isp=isp, system=system, **both, **counts, **sizes)


def _run(path: Path, over: Overloads, checks: list[Any], price: float, days: int = 0) -> Path:
    calendar = Calendar.of_days("2016-04-18", max(days, 1), 15, ZONE)
    record = Recorder(path, calendar)
    for isp in range(calendar.n_isp if days else ISPS):
        _write(record, "system", isp=isp)
        _write_grids(record, isp, over)
        award = {"isp": isp, "market": "tso_market", "direction": 1, "quantity_mw": 4.0}
        _write(record, "activations", **award, system="T", bid_id="b", provider="G1")
        for kind, payer, payee, eur in (
            ("activation", "TSO", "G1", price),
            ("capacity", "TSO", "G1", 3.0),
            ("unavailability", "G1", "TSO", 1.0),
            ("imbalance", "TSO", "BRP-1", 50.0),
            ("shortfall", "G1", "TSO", 60.0),
        ):
            _write(record, "settlement", isp=isp, kind=kind, payer=payer, payee=payee, amount_eur=eur)
    names = (
        "isp",
        "system",
        "market",
        "offered_up_mw",
        "offered_down_mw",
        "allowed_up_mw",
        "allowed_down_mw",
    )
    for row in checks:
        _write(record, "bid_checks", **dict(zip(names, row, strict=True)))
    record.close()
    return path


CHECKS = [
    (0, "D1", "forward_bids", 9.0, 0.0, 8.0, 0.0),  # forwarding is no refusal
    (0, "D1", "validate_mol", 8.0, 2.0, 6.0, 2.0),
    (0, "D1", "validate_mol", 6.0, 2.0, 5.0, 1.0),  # the second round narrows further: 3 MW up, 1 down
    (0, "D2", "validate_mol", 4.0, 1.0, 3.0, 1.0),
    (5, "D1", "prequalify", 2.0, 3.0, 2.0, 0.0),
]
SAFE = {(6, "D1"): (2.0, 20.0)}  # activation relieves a limit and breaks none
BROKEN = {(1, "D2"): (30.0, 0.0), (2, "D1"): (5.0, 0.0), (2, "D2"): (1.0, 4.0), (6, "D1"): (10.0, 20.0)}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("runs")
    return {
        "hybrid": _run(root / "hybrid", SAFE, CHECKS, 12.0),
        "central-01": _run(root / "central-01", BROKEN, [], 10.0),
    }


@pytest.fixture(scope="module")
def runs(folders: dict[str, Path]) -> dict[str, RunData]:
    data = {name: read_run(path, ZONE, name) for name, path in folders.items()}
    rows = {"isp": [2, 3], "terminated_bids": [7, 5]}
    return {**data, "central-01": replace(data["central-01"], reserve=pd.DataFrame(rows))}


@pytest.fixture(autouse=True)
def _house_style() -> Iterator[None]:
    with house_style():
        yield


def _titled(figure: Figure, start: str) -> list[Axes]:
    """Panels over time and of bars whose title starts so, in this order."""
    return [ax for ax in figure.axes if ax.get_title(loc="left").startswith(start)]


def _widths(ax: Axes) -> list[tuple[float, float]]:
    """Full and pale part of every bar."""
    widths = [bar.get_width() for bar in ax.patches if isinstance(bar, Rectangle)]
    return list(zip(widths[::2], widths[1::2], strict=True))


def _steps(ax: Axes, fill: bool) -> list[list[float]]:
    found = [patch for patch in ax.patches if isinstance(patch, StepPatch) and patch.get_fill() == fill]
    return [np.asarray(patch.get_data()[0]).tolist() for patch in found]


def _texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_held_back_is_offered_at_first_less_allowed_at_last(runs: dict[str, RunData]) -> None:
    mw = held_back_mw(runs["hybrid"])
    expected = np.zeros((ISPS, 4))  # offered up and down, held back up and down
    expected[[0, 5]] = [12.0, 3.0, 4.0, 1.0], [2.0, 3.0, 0.0, 3.0]
    assert mw.to_numpy().tolist() == expected.tolist()
    assert held_back_mwh(runs["hybrid"].bid_checks, 0.25) == 2.0 == expected[:, 2:].sum() * 0.25
    assert not held_back_mw(runs["central-01"]).to_numpy().any()


def test_the_reference_is_the_first_run_without_bid_checks(runs: dict[str, RunData]) -> None:
    assert has_bid_checks(runs["hybrid"])
    assert not has_bid_checks(runs["central-01"])
    forwarded = runs["hybrid"].bid_checks.query("market == 'forward_bids'")
    assert not has_bid_checks(replace(runs["hybrid"], bid_checks=forwarded))
    assert reference_of(runs) == "central-01"
    assert reference_of({"a": runs["hybrid"], "b": runs["hybrid"]}) == "a"


def test_stopped_bids_are_counted_per_isp(runs: dict[str, RunData]) -> None:
    assert stopped_bids(runs["central-01"]).tolist() == [0, 0, 7, 5, 0, 0, 0, 0]
    assert stopped_bids(runs["hybrid"]).tolist() == [0] * ISPS  # no reserve


def test_overload_is_the_worst_of_distribution(runs: dict[str, RunData]) -> None:
    assert overload_pct(runs["central-01"]).tolist() == [0, 30, 5, 0, 0, 0, 10, 0]
    assert overload_pct(runs["central-01"], "base_").tolist() == [0, 0, 4, 0, 0, 0, 20, 0]


def test_limits_broken_by_activation_are_told_apart_grid_by_grid(runs: dict[str, RunData]) -> None:
    broken, created = broken_limits(runs["central-01"])
    assert np.flatnonzero(broken).tolist() == [1, 2, 6]
    assert np.flatnonzero(created).tolist() == [1, 2]  # in ISP 2 only D2 would have been broken anyway
    assert [mask.sum() for mask in broken_limits(runs["hybrid"])] == [1, 0]


def test_no_convergence_is_a_broken_limit_without_a_size(runs: dict[str, RunData]) -> None:
    grid = runs["hybrid"].grid.copy()
    grid.loc[grid.isp.isin([3, 4]) & (grid.system == "D1"), "converged"] = False
    grid.loc[(grid.isp == 4) & (grid.system == "D1"), "base_converged"] = False
    grid.loc[(grid.isp == 4) & (grid.system == "D2"), "converged"] = False
    data = replace(runs["hybrid"], grid=grid)
    assert [np.flatnonzero(mask).tolist() for mask in broken_limits(data)] == [[3, 4, 6], [3, 4]]
    assert overload_pct(data)[3] == 0.0  # D2 is known
    assert np.isnan(overload_pct(data)[4])
    bid_check_figure({"a": data, "b": runs["central-01"]}).canvas.draw()


def test_cost_is_awards_and_capacity_less_fines_for_unavailability(runs: dict[str, RunData]) -> None:
    assert cost_eur(runs["hybrid"]).sum().to_dict() == {"activation": 96.0, "capacity": 16.0}
    assert cost_eur(runs["central-01"]).sum().to_dict() == {"activation": 80.0, "capacity": 16.0}


def test_differences_are_told_in_eur_and_percent() -> None:
    assert difference(8_500.0, 10_000.0) == "\N{MINUS SIGN}1,500 EUR (\N{MINUS SIGN}15.0 %)"
    assert difference(5.0, -10.0) == "+15 EUR (+150.0 %)"
    assert difference(5.0, 0.0) == "+5 EUR"


def test_held_back_offers_and_stopped_bids_are_drawn(runs: dict[str, RunData]) -> None:
    figure = bid_check_figure(runs)
    (time, bars), late = _titled(figure, "Held back"), _titled(figure, "Stopped")[0]
    offered_up, held_up, offered_down, held_down = _steps(time, fill=True)
    assert (offered_up[0], held_up[0], offered_down[0], held_down[0]) == (12.0, 4.0, -3.0, -1.0)
    assert (offered_up[5], held_up[5], offered_down[5], held_down[5]) == (2.0, 0.0, -3.0, -3.0)
    assert _widths(bars) == [(2.0, 0.0), (0.0, 0.0)]
    assert _texts(bars) == ["2 (40 % of offers)", "no bid checks"]
    assert _steps(late, fill=False) == [[0.0] * ISPS, [0.0, 0.0, 7.0, 5.0, 0.0, 0.0, 0.0, 0.0]]


def test_several_runs_with_bid_checks_are_lines(runs: dict[str, RunData]) -> None:
    time = _titled(bid_check_figure({"a": runs["hybrid"], "b": runs["hybrid"]}), "Held back")[0]
    assert _steps(time, fill=True) == []
    assert [steps[0] for steps in _steps(time, fill=False)] == [4.0, -1.0, 4.0, -1.0]
    assert time.get_legend() is None


def test_congestion_is_drawn_with_dots_where_activation_broke_a_limit(runs: dict[str, RunData]) -> None:
    figure = bid_check_figure(runs)
    time, bars = _titled(figure, "Congestion")[0], _titled(figure, "Limits broken")[0]
    assert _steps(time, fill=False) == [[0, 0, 0, 0, 0, 0, 2, 0], [0, 30, 5, 0, 0, 0, 10, 0]]
    assert _steps(time, fill=True) == [[0, 0, 4, 0, 0, 0, 20, 0]]  # central-01 without activation
    hybrid, central = (np.asarray(line.get_ydata(), dtype=np.float64) for line in time.lines[:2])
    assert np.isnan(hybrid).all()
    assert central[[1, 2]].tolist() == [30.0, 5.0]
    assert np.isnan(np.delete(central, [1, 2])).all()
    assert _widths(bars) == [(0.0, 1.0), (2.0, 1.0)]
    assert _texts(bars) == ["1 (0 by activation)", "3 (2 by activation)"]


def test_cost_is_drawn_against_the_run_without_bid_checks(runs: dict[str, RunData]) -> None:
    time, bars = _titled(bid_check_figure(runs), "Cost")
    assert time.get_title(loc="left") == "Cost: cumulative, less that of central-01"
    hybrid, central = (np.asarray(line.get_ydata(), dtype=np.float64) for line in time.lines)
    assert hybrid.tolist() == [2.0 * k for k in range(ISPS + 1)]
    assert not central.any()
    assert _widths(bars) == [(96.0, 16.0), (80.0, 16.0)]
    assert _texts(bars) == ["112 EUR for 8 MWh\n+16 EUR (+16.7 %)", "96 EUR for 8 MWh"]


def test_stopped_bids_have_a_panel_only_if_there_are_any(runs: dict[str, RunData]) -> None:
    bars = _titled(bid_check_figure(runs), "Stopped")[1]
    assert _texts(bars) == ["no reserve", "12"]
    none = replace(runs["central-01"], reserve=runs["central-01"].reserve.assign(terminated_bids=0))
    without = bid_check_figure({"hybrid": runs["hybrid"], "central-01": none})
    assert _titled(without, "Stopped") == []
    assert "No reserve bid was stopped within an ISP." in without.get_supxlabel()
    no_reserve = bid_check_figure({"a": runs["hybrid"], "b": runs["hybrid"]})
    assert "reserve" not in no_reserve.get_supxlabel()


def test_long_horizons_show_daily_values(tmp_path: Path) -> None:
    data = read_run(_run(tmp_path / "long", BROKEN, CHECKS, 10.0, days=33), ZONE, "long")
    assert data.is_long
    data = replace(data, reserve=pd.DataFrame({"isp": [2, 3, 96], "terminated_bids": [7, 5, 1]}))
    figure = bid_check_figure({"hybrid": data, "other": replace(data, bid_checks=data.bid_checks[:0])})
    assert "Overload: daily maximum." in figure.get_supxlabel()
    held, late = _titled(figure, "Held back")[0], _titled(figure, "Stopped")[0]
    assert [values[0] for values in _steps(held, fill=True)] == [14 / 96, 4 / 96, -6 / 96, -4 / 96]
    assert [values[:3] for values in _steps(late, fill=False)] == [[12.0, 1.0, 0.0]] * 2
    assert late.get_ylabel() == "Bids (per day)"
    over = _titled(figure, "Congestion")[0]
    assert [values[:2] for values in _steps(over, fill=False)] == [[30.0, 0.0]] * 2
    dots = np.asarray(over.lines[0].get_ydata(), dtype=np.float64)
    assert dots[0] == 30.0
    assert np.isnan(dots[1:]).all()


@pytest.mark.parametrize("count", [2, 16])
def test_every_axis_names_its_unit_and_nothing_overlaps(runs: dict[str, RunData], count: int) -> None:
    pool = list(runs.values())
    figure = bid_check_figure({f"cooperative-{k:02}": pool[k % 2] for k in range(count)})
    figure.canvas.draw()
    labels = [label for ax in figure.axes for label in (ax.get_xlabel(), ax.get_ylabel()) if label]
    assert all(re.search(r"\(.+\)$", label) for label in labels), labels
    assert figure.get_supxlabel().endswith(FOOTNOTE)
    boxes = [box for ax in figure.axes if (box := ax.get_tightbbox()) is not None]
    for k, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[k + 1 :])
    for ax in _titled(figure, "Cost"):
        lines = [text.get_window_extent() for text in ax.texts]
        assert not any(a.overlaps(b) for a, b in pairwise(lines))


def test_a_run_that_earns_has_bars_to_the_left(runs: dict[str, RunData]) -> None:
    paid = runs["hybrid"].settlement
    earns = replace(runs["hybrid"], settlement=paid.assign(amount_eur=-paid.amount_eur))
    bars = _titled(bid_check_figure({"a": earns, "b": runs["central-01"]}), "Cost")[1]
    assert _widths(bars) == [(-96.0, -16.0), (80.0, 16.0)]
    assert bars.get_xlim()[0] < -112.0


def _blank(data: dict[str, RunData], title: str) -> Figure:
    """Stands for the other figure, where nobody looks at that."""
    return Figure(figsize=(1.0, 1.0))


def test_it_is_written_beside_the_comparison_where_a_run_has_bid_checks(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = plot_comparison(folders, ZONE, tmp_path)
    assert [path.name for path in written] == ["comparison.png", "bid_checks.png"]
    first = written[1].read_bytes()
    assert first.startswith(b"\x89PNG\r\n\x1a\n")
    monkeypatch.setattr("tandem_sim.experiments.figures.figures.comparison_figure", _blank)
    assert plot_comparison(folders, ZONE, tmp_path)[1].read_bytes() == first


@pytest.mark.parametrize("schemes", [["central-01", "central-01"], ["hybrid"]])
def test_it_is_not_written_without_a_run_with_bid_checks_or_a_second_run(
    schemes: list[str], folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem_sim.experiments.figures.figures.comparison_figure", _blank)
    written = plot_comparison({f"run {k}": folders[s] for k, s in enumerate(schemes)}, ZONE, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["comparison.png"] == [p.name for p in written]
