"""The study of checks by DSOs: what is blocked and harmful by hand, and all of it on a small world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tandem_sim.experiments.studies.operators import checks
from tandem_sim.experiments.studies.operators.checks import Check
from tandem_sim.experiments.studies.operators.checks_sums import (
    KEYS,
    blocked_parts,
    called_mw,
    dropped_parts,
    limits_of,
    offers_of,
)
from tandem_sim.experiments.studies.paired import points as paired
from tests.experiments.cli.test_cli import SMALL
from tests.experiments.pools import in_this_process

NO_CLEARINGS = pd.DataFrame(columns=["isp", "system", "market", "short_mw", "long_mw"])


def _validation(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    names = ["isp", "system", "market", "accepted", "offered_up_mw", "offered_down_mw"]
    return pd.DataFrame(rows, columns=[*names, "allowed_up_mw", "allowed_down_mw"])


def _series(values: dict[tuple[int, str, int], float]) -> pd.Series:
    return pd.Series(values, pd.MultiIndex.from_tuples(list(values), names=KEYS), dtype=np.float64)


def _offers(validation: pd.DataFrame, clearings: pd.DataFrame = NO_CLEARINGS) -> dict[Any, Any]:
    found = offers_of(validation, pd.DataFrame(), clearings)
    return {key: (row.offered_mw, row.blocked_mw) for key, row in found.iterrows()}


def test_blocked_is_what_stood_before_the_check_less_what_its_last_round_lets_stand() -> None:
    """A local market ahead has bought 1 MW up of 5; two rounds of a list, never accepted in D2."""
    rows = [
        (0, "D1", "forward_bids", True, 5.0, 3.0, 4.0, 3.0),
        (0, "D1", "validate_mol", False, 4.0, 3.0, 4.0, 2.0),
        (0, "D1", "validate_mol", True, 4.0, 2.0, 4.0, 0.5),
        (0, "D2", "validate_mol", False, 2.0, 1.0, 2.0, 0.5),
    ]
    assert _offers(_validation(rows)) == {
        (0, "D1", 1): (4.0, 0.0),
        (0, "D1", -1): (3.0, 2.5),
        (0, "D2", 1): (2.0, 2.0),
        (0, "D2", -1): (1.0, 1.0),
    }


def test_without_a_check_nothing_is_blocked_but_what_is_refused_afterwards() -> None:
    forwarded = _validation([(0, "D1", "forward_bids", True, 5.0, 3.0, 4.0, 3.0)])
    refused = pd.DataFrame([(0, "D1", "post_qualify", 0.0, 2.0)], columns=NO_CLEARINGS.columns)
    assert _offers(forwarded) == {(0, "D1", 1): (4.0, 0.0), (0, "D1", -1): (3.0, 0.0)}
    assert _offers(forwarded, refused) == {(0, "D1", 1): (4.0, 0.0), (0, "D1", -1): (3.0, 2.0)}


def test_without_any_block_the_book_is_what_is_offered() -> None:
    orders = pd.DataFrame(
        [
            (0, "D1", 1, False, 1.0),
            (0, "D1", 1, False, 2.0),
            (0, "D1", -1, True, 4.0),
            (0, "T", 1, False, 8.0),
        ],
        columns=[*KEYS, "demand", "quantity_mw"],
    )
    found = offers_of(_validation([]), orders, NO_CLEARINGS)
    assert found.index.tolist() == [(0, "D1", 1)]
    assert found.iloc[0].tolist() == [3.0, 0.0]


def test_only_what_the_tso_pays_for_in_areas_is_called_by_it() -> None:
    rows = [(0, "D1", 1, "dso_market", 1.0), (0, "D1", 1, "tso_market", 2.0), (0, "D1", 1, "afrr", 0.5)]
    rows += [(0, "T", 1, "tso_market", 9.0)]
    frame = pd.DataFrame(rows, columns=[*KEYS, "market", "quantity_mw"])
    buyer = {"dso_market": "dso", "tso_market": "tso", "afrr": "tso"}
    assert called_mw(frame, buyer).to_dict() == {(0, "D1", 1): 2.5}


def _grid(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    names = ["isp", "system", "congested_lines", "max_overload_pct", "base_congested_lines"]
    frame = pd.DataFrame(rows, columns=[*names, "base_max_overload_pct"])
    same = {"converged": True, "base_converged": True}
    return frame.assign(voltage_violations=0, base_voltage_violations=0, **same)


GRID = _grid(
    [
        (0, "D1", 1, 7.0, 0, 0.0),  # broken by activation
        (1, "D1", 1, 5.0, 1, 4.0),  # made worse by a point
        (2, "D1", 1, 5.05, 1, 5.0),  # worse by less than counts
        (3, "D1", 0, 0.0, 1, 9.0),  # mended
        (4, "D1", 0, 0.0, 0, 0.0),
        (0, "T", 3, 50.0, 0, 0.0),
    ]
)


def test_limits_are_broken_by_activation_or_made_worse() -> None:
    found = limits_of(GRID).droplevel("system")
    assert found.broken.tolist() == [True, True, True, False, False]
    assert found.created.tolist() == [True, False, False, False, False]
    assert found.worse.tolist() == [False, True, False, False, False]
    assert found.rise_pp.tolist() == pytest.approx([7.0, 1.0, 0.05, 0.0, 0.0])
    dark = limits_of(_grid([(0, "D1", 0, np.nan, 0, 0.0)]).assign(converged=False))
    assert dark[["broken", "created"]].iloc[0].tolist() == [True, True]  # no solution is a broken limit


def test_what_is_blocked_is_not_asked_for_harmless_or_harmful() -> None:
    """Called without the check: 2 of 3 down in ISP 0 (harm), none up, 1 of 4 in ISP 4 (no harm)."""
    blocked = _series({(0, "D1", -1): 3.0, (0, "D1", 1): 5.0, (3, "D1", 1): 1.0, (4, "D1", 1): 4.0})
    called = _series({(0, "D1", -1): 2.0, (4, "D1", 1): 1.0, (4, "D1", -1): 8.0})
    found = blocked_parts(blocked, called, limits_of(GRID))
    assert found.not_asked.tolist() == [1.0, 5.0, 1.0, 3.0]
    assert found.harmful.tolist() == [2.0, 0.0, 0.0, 0.0]
    assert found.harmless.tolist() == [0.0, 0.0, 0.0, 1.0]
    assert found.where_safe.tolist() == [0.0, 0.0, 1.0, 4.0]


def test_what_is_called_no_longer_is_set_beside_what_it_broke() -> None:
    """ISP 1: 3 MW less, where a limit was made worse; ISP 4: 1 less, where none was; more is nothing."""
    without = _series({(1, "D1", -1): 4.0, (3, "D1", 1): 1.0, (4, "D1", 1): 1.0})
    found = dropped_parts(_series({(1, "D1", -1): 1.0, (3, "D1", 1): 2.0}), without, limits_of(GRID))
    assert found.sum().to_dict() == {"harmless": 1.0, "harmful": 3.0}


def test_the_first_check_of_every_family_is_none() -> None:
    families = [check.family for check in checks.CHECKS]
    first = [checks.CHECKS[families.index(family)].name for family in dict.fromkeys(families)]
    assert first == [checks.NO_CHECK] * 3


def test_the_study_on_a_small_world_twice_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world: dict[str, Any] = {"isp_minutes": 60, "solver": "highspy", "power_flow_check.audit_share": 0.0}
    monkeypatch.setattr(
        "tandem_sim.experiments.commands.sweep.on_this_machine",
        lambda work, jobs, workers: in_this_process(work, jobs),
    )
    monkeypatch.setattr(paired, "SCENARIO", str(SMALL))
    monkeypatch.setattr(paired, "WORLD", world)
    tried = (
        Check("central", checks.NO_CHECK, "central-01"),
        Check("central", "static zones", "central-02", checks.WALLOON),
        Check("central", "envelope", "central-02"),
    )
    monkeypatch.setattr(checks, "CHECKS", tried)
    checks.main(tmp_path / "one", tmp_path / "runs", 1, 1)
    monkeypatch.setattr(checks, "figure", lambda *given: None)
    checks.main(tmp_path / "two", tmp_path / "runs", 1, 1)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == [
        "checks.csv",
        "checks.png",
        "checks_hours.csv",
        "checks_statistics.csv",
        "checks_tables.md",
    ]
    for name in names[:1] + names[2:]:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    rows = pd.read_csv(tmp_path / "one" / "checks.csv").set_index("check")
    assert (rows[["blocked_pct", "called_less_pct"]].loc[["none"]] == 0.0).all(axis=None)
    assert rows.blocked_pct["static zones"] > rows.blocked_pct["envelope"] > 0.0
    parts = rows[[f"blocked_{name}_mwh" for name in ("not_asked", "harmless", "harmful")]].sum(axis=1)
    assert parts.to_numpy() == pytest.approx(
        (rows.blocked_up_mwh + rows.blocked_down_mwh).to_numpy(), abs=1e-4
    )
