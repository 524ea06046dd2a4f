"""The studies of strategic bidding, on one case each: what must hold whatever the case."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tandem_sim.experiments.studies.bidding import inc_dec_game, learning, pay_rules, perimeter
from tandem_sim.experiments.studies.bidding.gaming_cases import BALANCED, owned_by_node, world
from tandem_sim.experiments.sweeps.workers import Ended
from tandem_sim.markets.orders.bids import Bids
from tests.experiments.cli.test_cli import SMALL


def _same(one: Bids, two: Bids) -> bool:
    return bool((one.provider == two.provider).all() and (one.price == two.price).all())


def test_owners_are_dealt_by_node_and_seeded() -> None:
    one, two = world("A", 3, 4, BALANCED), world("A", 3, 4, BALANCED)
    for name, area in one.areas.items():
        assert _same(area.bids, two.areas[name].bids)
        for node in np.unique(area.bids.node):
            assert len(set(area.bids.provider[area.bids.node == node].tolist())) == 1
        counts = np.unique(
            area.bids.provider[np.unique(area.bids.node, return_index=True)[1]], return_counts=True
        )
        assert counts[1].max() - counts[1].min() <= 1
    other = owned_by_node(one, 4, 5)
    assert not all(_same(area.bids, other.areas[name].bids) for name, area in one.areas.items())


def test_a_monopolist_of_relief_asks_the_most_there_is_and_wider_markets_pay_less(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(perimeter, "SELLERS", (1, 2))
    rows, mends = perimeter.played([0])
    alone = rows[rows.sellers == 1].set_index("perimeter")
    assert (alone.markup == perimeter.MARKUPS[-1]).all()
    assert alone.paid["each DSO"] > alone.paid["DSOs pooled"] > alone.paid["whole system"]
    assert (rows.paid_truthful > 0.0).all()
    assert (rows.cost >= rows.cost_truthful - 1e-6).all()
    extra = (mends.paid - mends.paid_truthful).set_axis(mends.mitigation)
    assert (extra[["caps 70 and 0", "pivotal: 55 and 10", "half under contract"]] < 0.5 * extra["none"]).all()
    assert perimeter.figure(rows, mends, tmp_path).stat().st_size > 10_000
    assert len(perimeter.summary(mends, ["mitigation"])) == len(perimeter.MEASURES)


def test_inc_dec_pays_where_lines_are_congested_and_never_where_they_are_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(inc_dec_game, "SCHEME_NAMES", ("multilevel-01", "common"))
    rows = inc_dec_game.played([0])
    far = rows[rows.state == "far from limits"]
    assert far.profit.abs().max() == 0.0
    assert far.paid.abs().max() == 0.0
    congested = rows[rows.state == "congested"].set_index(["may", "scheme"])
    for scheme in ("multilevel-01", "common"):
        assert congested.profit["inc-dec", scheme] > 5.0 * congested.profit["mark-ups only", scheme]
        assert congested.profit["inc-dec, causers unpaid", scheme] < congested.profit["inc-dec", scheme]
    assert inc_dec_game.figure(rows, tmp_path).stat().st_size > 10_000


def test_learners_are_judged_by_what_the_same_isps_would_have_paid(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in {
        "ISPS": 50,
        "LAST": 30,
        "EVERY": 5,
        "BLOCK": 10,
        "SCHEME_NAMES": ("common",),
    }.items():
        monkeypatch.setattr(pay_rules, name, value)
    monkeypatch.setattr(pay_rules, "SELLERS", ["S1", "S2"])
    rows, paths = pay_rules.played([0])
    again, _ = pay_rules.played([0])
    assert rows.equals(again)
    bid = rows.set_index("pricing").loc["pay-as-bid"]
    assert bid.learned_profit_truthful == pytest.approx(0.0, abs=1e-9)
    assert bid.learned_profit > 0.0
    assert bid.learned_paid > bid.learned_paid_truthful
    assert bid.monopoly > bid.profit
    assert bid.regret > -bid.monopoly
    assert len(paths) == 0 or paths.profit.notna().all()
    assert pay_rules.figure(rows, paths, tmp_path).stat().st_size > 10_000


def _here(
    work: Callable[[Any], Any], tasks: Sequence[Any], workers: int, environment: Mapping[str, str]
) -> Iterator[Ended[Any, Any]]:
    """All tasks in this process: it has imported everything and holds the grids."""
    for task in tasks:
        yield Ended(task, work(task))


def test_a_year_of_learning_is_set_against_the_truth_and_not_run_twice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pools = ["A01", "A02", "A03"]
    monkeypatch.setattr("tandem_sim.experiments.sweeps.local.in_processes", _here)
    monkeypatch.setattr(
        "tandem_sim.experiments.runs.run.plot_run", lambda *given: []
    )  # nobody looks at them here
    learners = [{"aggregators": pools, "name": "q-learning"}]
    given = {"isp_minutes": 60, "solver": "highspy", "strategies": learners}
    for name, value in {
        "SCENARIO": str(SMALL),
        "POOLS": pools,
        "SCHEME_NAMES": ("common",),
        "FIELDS": given,
        "WEEK_H": 12,
    }.items():
        monkeypatch.setattr(learning, name, value)
    learning.main(tmp_path / "out", tmp_path / "runs", 1, 3)
    found = pd.read_csv(tmp_path / "out" / "learning.csv").iloc[0]
    assert found.profit_pools_eur > 0.0
    assert found.profit_others_eur == pytest.approx(0.0, abs=1e-6)  # they bid the truth and are paid as bid
    weeks = pd.read_csv(tmp_path / "out" / "learning_weeks.csv")
    assert weeks.week.tolist() == [0, 1]
    assert weeks.sold_mwh.sum() == pytest.approx(found.sold_pools_mwh, abs=1e-3)
    assert weeks.profit_eur.sum() == pytest.approx(found.profit_pools_eur, abs=1e-2)
    assert (tmp_path / "out" / "learning.png").stat().st_size > 10_000
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").glob("*/*.parquet")}
    learning.main(tmp_path / "out", tmp_path / "runs", 1, 3)
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").glob("*/*.parquet")}
