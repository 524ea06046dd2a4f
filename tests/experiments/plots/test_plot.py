"""``tandem plot``: data behind the artists are sums of the tables; bad requests end in one message."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle, StepPatch

from tandem_sim.experiments.figures.style import house_style
from tandem_sim.experiments.figures.system import imbalance_figure
from tandem_sim.experiments.plots.choices import KINDS
from tandem_sim.experiments.plots.fit import fit
from tandem_sim.experiments.plots.kinds import figures_of
from tandem_sim.experiments.plots.learning import (
    curves,
    learners,
    learning_figure,
    mean_and_interval,
    periods,
)
from tandem_sim.experiments.plots.one.bidding import by_seller
from tandem_sim.experiments.plots.one.grid_map import grid_map_figure
from tandem_sim.experiments.plots.one.households import household_figure
from tandem_sim.experiments.plots.one.merit_order import (
    held_back,
    merit_order_figure,
    side_of,
    with_held,
)
from tandem_sim.experiments.plots.one.money import payments
from tandem_sim.experiments.plots.runs import Shown, grouped, read_shown
from tandem_sim.experiments.plots.series import SERIES
from tandem_sim.experiments.plots.several import differences, several_figure
from tandem_sim.experiments.results.intervals import mean_and_range
from tandem_sim.experiments.runs.run import run_scenario
from tests.experiments.cli.test_cli import refused, tandem
from tests.sim.conftest import HOURLY, small_scenario

RUNS: dict[str, dict[str, Any]] = {
    "one": {},
    "two": {"seed": 8},
    "other": {"scheme": "central-01", "output.leave_out": ["devices"]},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of the small scenario by the hour: two seeds, and another scheme without the table of devices."""
    folder = tmp_path_factory.mktemp("runs")
    for name, changes in RUNS.items():
        scenario = small_scenario(**{**HOURLY, **changes})
        run_scenario(scenario, None, folder / name, plots=False, checkpoint_s=0)
    return folder


@pytest.fixture(scope="module")
def shown(root: Path) -> list[Shown]:
    return read_shown([str(root / name) for name in RUNS], None, None)


@pytest.fixture(autouse=True)
def _house_style() -> Iterator[None]:
    with house_style():
        yield


def _steps(figure: Figure, axis: int) -> list[Any]:
    return [patch for patch in figure.axes[axis].patches if isinstance(patch, StepPatch)]


def test_activated_power_is_that_of_the_activations(shown: list[Shown]) -> None:
    data, rows = shown[0].data, shown[0].run["activations"]
    for direction in (1, -1):
        mw = rows[rows.direction == direction].groupby("isp").quantity_mw.sum()
        wanted = direction * mw.reindex(data.system.isp, fill_value=0.0).to_numpy()
        tops = [step.get_data().values for step in _steps(imbalance_figure(data), 1)]
        assert tops[2 if direction > 0 else 5] == pytest.approx(wanted)  # the last of three stacked sources


def test_classes_of_devices_add_up_to_all_households(shown: list[Shown]) -> None:
    devices = shown[0].run["devices"]
    wanted = devices.groupby("isp").p_mw.sum().to_numpy()
    steps = _steps(household_figure(shown[0].data), 0)
    assert steps[-1].get_data().values == pytest.approx(wanted)
    above, below = steps[-3].get_data().values, steps[-2].get_data().values
    assert above + below == pytest.approx(wanted)


def test_the_heat_map_has_the_loadings_of_the_table(shown: list[Shown]) -> None:
    rows = shown[0].run["branch_loading"].query("system == 'D1'")
    table = rows.pivot(index="branch", columns="isp", values="loading_pct")
    order = table.max(axis=1).sort_values(ascending=False).index
    figure = grid_map_figure(shown[0].data, "D1")
    (mesh,) = [c for c in figure.axes[0].collections if isinstance(c, QuadMesh)]
    values: Any = mesh.get_array()
    assert np.asarray(values) == pytest.approx(table.loc[order].to_numpy()[: len(values)])
    branch = shown[0].run["branches"].query("system == 'D1' and branch == @order[0]").iloc[0]
    first = figure.axes[0].get_yticklabels()[0].get_text()
    assert first.startswith(f"{branch.element} (bus {branch.from_bus:.0f} to {branch.to_bus:.0f}), max. ")


def test_steps_of_the_merit_order_are_the_bids(shown: list[Shown]) -> None:
    run, isp = shown[0].run, 18
    bids = run["bids"].query("isp == @isp and system == 'T' and direction == 1")
    sold = run["activations"].query("isp == @isp and system == 'T' and direction == 1").quantity_mw.sum()
    ax = merit_order_figure([run], ["one"], isp, "").axes[0]
    bars = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    assert sum(bar.get_width() for bar in bars) == pytest.approx(bids.quantity_mw.sum())
    full = bars[: len(bars) // 2]
    assert sum(bar.get_width() for bar in full) == pytest.approx(sold)


def test_merit_order_by_hand() -> None:
    offers = pd.DataFrame(
        {
            "system": ["D1", "T", "D1", "D2"],
            "bid_id": ["a", "b", "c", "d"],
            "direction": [-1, -1, -1, -1],
            "mw": [1.0, 9.0, 2.0, 4.0],
            "price": [5.0, 1.0, 8.0, 6.0],
            "sold_mw": 0.0,
            "refused": "",
        }
    )
    found = side_of(offers, -1, local=True)  # down: the seller that pays most comes first
    assert found.bid_id.tolist() == ["c", "d", "a"]
    assert found.left_mw.tolist() == [0.0, 2.0, 6.0]
    checks = pd.DataFrame(
        {
            "system": ["D1", "D1", "D1"],
            "market": ["forward_bids", "validate_mol", "validate_mol"],
            "offered_up_mw": [9.0, 8.0, 6.0],
            "offered_down_mw": [0.0, 2.0, 2.0],
            "allowed_up_mw": [8.0, 6.0, 5.0],
            "allowed_down_mw": [0.0, 2.0, 1.0],
        }
    )
    # Forwarding is no check; two rounds: 8 MW offered, 5 allowed in the end.
    assert held_back(checks).loc["D1"].to_dict() == {
        "held_up": 3.0,
        "allowed_up": 5.0,
        "held_down": 1.0,
        "allowed_down": 1.0,
    }


def test_bids_held_back_are_hatched_by_what_is_left_of_them() -> None:
    offers = pd.DataFrame(
        {
            "system": ["D1", "D1", "D2"],
            "bid_id": ["a", "b", "a"],
            "mw": [3.0, 2.0, 1.0],
            "sold_mw": [0.0, 1.5, 0.0],
        }
    )
    held = pd.Series({("D1", "a"): 2.0, ("D1", "b"): 1.0})
    # Of b 1.5 of 2 MW are sold in another market: 0.5 MW are left, of 1 MW held back. Bid a of D2 is another.
    assert with_held(offers, held).held_mw.tolist() == [2.0, 0.5, 0.0]


def test_learning_curves_are_means_by_offers_with_intervals_over_seeds(shown: list[Shown]) -> None:
    sellers, data = ["A01", "G1"], shown[0].data
    rows = shown[0].run["sellers"].query("provider in @sellers")
    found = curves(data, sellers)  # a day: by the hour, which is the ISP
    offered = rows.offered_mw.groupby(rows.isp).sum()
    sold = 100.0 * rows.sold_mw.groupby(rows.isp).sum() / offered.where(offered > 0.0)
    assert found.sold_pct.to_numpy() == pytest.approx(sold.to_numpy(), nan_ok=True)
    profit = (rows.received_eur_per_h - rows.cost_eur_per_h).groupby(rows.isp).sum()
    assert found.profit_eur.to_numpy() == pytest.approx(profit.to_numpy(), abs=1e-9)
    assert periods(data)[2] == "hour"
    # Mean 2, standard deviation 1, three seeds: t(0.975, 2) = 4.303, half width 4.303 / sqrt(3) = 2.484.
    mean, low, high = mean_and_interval([np.array([k, k, np.nan]) for k in (1.0, 2.0, 3.0)])
    assert (mean[0], low[0], high[0]) == pytest.approx((2.0, -0.484, 4.484), abs=1e-3)
    assert np.isnan([mean[2], low[2], high[2]]).all()
    assert np.isnan(mean_and_interval([np.array([5.0])])[1]).all()  # one seed: no interval
    assert learners(shown) == []  # all of them are truthful
    assert not [ax for ax in learning_figure(grouped(shown), "small").axes if _steps_of(ax)]


def _steps_of(ax: Any) -> list[Any]:
    return [patch for patch in ax.patches if isinstance(patch, StepPatch)]


def test_payments_are_balanced_between_two_groups(shown: list[Shown]) -> None:
    rows = shown[0].run["settlement"]
    to_brps = rows[(rows.payer == "TSO") & rows.payee.str.startswith("BRP-")].amount_eur.sum()
    back = rows[(rows.payee == "TSO") & rows.payer.str.startswith("BRP-")].amount_eur.sum()
    found = payments(shown[0].data)
    paid: dict[tuple[str, str], float] = found.stack().to_dict()  # type: ignore[assignment]
    assert paid["TSO", "BRPs"] - paid["BRPs", "TSO"] == pytest.approx(to_brps - back)
    assert min(paid.values()) >= 0.0
    assert min(paid["TSO", "BRPs"], paid["BRPs", "TSO"]) == 0.0


def test_profits_of_sellers_are_those_of_the_table(shown: list[Shown]) -> None:
    rows = shown[0].run["sellers"]
    wanted = (rows.received_eur_per_h - rows.cost_eur_per_h).groupby(rows.provider).sum()  # ISPs of an hour
    found = by_seller(shown[0].data).profit_eur.groupby("provider").sum()
    assert found.to_dict() == pytest.approx({str(k): v for k, v in wanted.items()}, abs=1e-9)


def test_seeds_are_a_band_and_schemes_are_compared(shown: list[Shown]) -> None:
    groups = grouped(shown)
    assert {label: len(group) for label, group in groups.items()} == {"multilevel-03": 2, "central-01": 1}
    system = [each.run["system"].imbalance_before_mw.to_numpy() for each in shown]
    series = SERIES["system"]([each.data for each in shown])[:1]
    figure = several_figure("Imbalance", groups, series, "small")
    line, band, other = (step.get_data() for step in _steps(figure, 0))
    assert line.values == pytest.approx((system[0] + system[1]) / 2.0)
    assert band.values == pytest.approx(np.maximum(system[0], system[1]))
    assert band.baseline == pytest.approx(np.minimum(system[0], system[1]))
    assert other.values == pytest.approx(system[2])
    (less,) = (step.get_data() for step in _steps(figure, 1))
    assert less.values == pytest.approx(system[2] - system[0])  # at the common seed


def test_statistics_by_hand() -> None:
    mean, low, high = mean_and_range([np.array([1.0, np.nan, np.nan]), np.array([3.0, 5.0, np.nan])])
    assert (mean[:2].tolist(), low[:2].tolist(), high[:2].tolist()) == ([2.0, 5.0], [1.0, 5.0], [3.0, 5.0])
    assert np.isnan([mean[2], low[2], high[2]]).all()
    one, two = {1: np.array([5.0]), 2: np.array([9.0])}, {2: np.array([4.0]), 3: np.array([100.0])}
    assert differences(one, two) == ([np.array([5.0])], True)  # seed 2 alone
    assert differences(one, {3: np.array([1.0])}) == ([np.array([6.0])], False)  # means: 7 - 1


def test_a_part_of_the_time(root: Path, shown: list[Shown]) -> None:
    part = read_shown([str(root / "one")], "2016-04-18T06:00", "2016-04-18T09:00")[0].data
    whole = shown[0].data
    assert part.system.isp.tolist() == [6, 7, 8]
    assert part.settlement.amount_eur.sum() == pytest.approx(
        whole.settlement[whole.settlement.isp.isin([6, 7, 8])].amount_eur.sum()
    )
    assert f"{part.local[0]:%H:%M}" == "06:00"
    to_the_end = read_shown([str(root / "one")], "2016-04-18T23:00", "2016-04-19")[0].data
    assert int(to_the_end.system.isp.iloc[-1]) == int(whole.system.isp.iloc[-1])


def test_every_kind_of_one_and_of_several_has_units_on_every_axis(shown: list[Shown]) -> None:
    for runs in (shown[:1], shown[:2]):
        for kind in KINDS:
            if kind == "low-voltage" or (kind == "grid" and len(runs) > 1):
                continue
            for figure in (draw() for draw in figures_of(kind, grouped(runs), None).values()):
                for ax in figure.axes:
                    texts = [text for text in (ax.get_xlabel(), ax.get_ylabel()) if text]
                    assert all(text.endswith(")") or "(" in text for text in texts), (kind, texts)
                assert figure.get_suptitle().find("small") > 0


def test_a_narrow_figure_keeps_its_texts_inside(shown: list[Shown]) -> None:
    figure = imbalance_figure(shown[0].data)
    fit(figure, 12.0, title=True)
    assert figure.get_size_inches()[0] == pytest.approx(12.0 / 2.54)
    figure.draw_without_rendering()
    heading = next(text for text in figure.texts if text.get_text() == figure.get_suptitle())
    assert heading.get_window_extent().x1 <= figure.bbox.x1
    fit(figure, None, title=False)
    assert figure.get_suptitle() == ""


def test_files(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    before = sorted(path for path in root.rglob("*"))

    def draw(*arguments: object) -> int:
        return tandem(monkeypatch, "plot", root / "one", "--what", "cost", "--out", tmp_path, *arguments)

    for form, start in (("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")):
        assert draw("--format", form, "--width", 16) == 0
        file = tmp_path / f"cost.{form}"
        assert capsys.readouterr().out.strip() == str(file)
        content = file.read_bytes()
        assert content.startswith(start)
        refused(capsys, draw("--format", form), f"cost.{form}", "exists")
        assert file.read_bytes() == content
        assert draw("--format", form, "--width", 16, "--overwrite") == 0
        assert file.read_bytes() == content
        capsys.readouterr()
    (tmp_path / "cost.png").write_text("a text", encoding="utf-8")
    refused(capsys, draw("--overwrite"), "cost.png", "exists")
    assert sorted(path for path in root.rglob("*")) == before


def test_bad_requests(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def refuse(*arguments: object, expected: str, run: str = "one") -> None:
        code = tandem(monkeypatch, "plot", root / run, "--out", tmp_path / "new", *arguments)
        refused(capsys, code, expected)

    refuse("--what", "price", expected="prices")
    refuse("--format", "jpg", expected="png")
    refuse("--width", 1, expected="Give 10 to 60 cm")
    refuse("--from", "2015-01-01", expected="--from")
    refuse("--to", "2017-01-01", expected="--to")
    refuse("--from", "2016-04-18T09:00", "--to", "2016-04-18T08:00", expected="is not after --from")
    refuse("--what", "households", run="other", expected="needs the table devices, which the run left out")
    refuse("--what", "low-voltage", expected="needs low-voltage feeders")
    refuse("--what", "learning", expected="needs sellers with a strategy other than truthful")
    refuse(root / "two", "--what", "grid", expected="shows one run at a time")
    refuse(root / "one", expected="is given twice")
    refuse(run="nowhere", expected="does not exist")
    refuse(run="", expected="holds no finished run")
    assert not (tmp_path / "new").exists()
    code = tandem(monkeypatch, "plot", root / "one", "--out", root / "one" / "figures")
    refused(capsys, code, "lies in a run folder")
    (tmp_path / "late.unfinished").mkdir()
    code = tandem(monkeypatch, "plot", tmp_path / "late", "--out", tmp_path)
    refused(capsys, code, "is not finished", "--resume")
