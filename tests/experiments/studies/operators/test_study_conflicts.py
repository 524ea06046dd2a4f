"""The study of conflicts: sums by hand on a few trades, and the whole of it on a small world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandapower import topology

from tandem_sim.experiments.api import read_scenario
from tandem_sim.experiments.studies.operators import conflicts
from tandem_sim.experiments.studies.operators.conflicts_sums import (
    EXCHANGE,
    RELIEF,
    SUMS,
    against_each_other_mwh,
    behind_ratings,
    by_chance_mwh,
    contradictions,
    needs_of,
)
from tandem_sim.experiments.studies.paired import points as paired
from tandem_sim.grids.io.read import load_net, load_network
from tests.experiments.cli.test_cli import SMALL
from tests.experiments.pools import in_this_process

BEHIND = {"D1": np.array([False, True, False]), "D2": np.array([False, False])}
Trade = tuple[int, str, int, str, str, int, float, float]


def _trades(rows: list[Trade]) -> pd.DataFrame:
    """ISP, area, node, unit, operator, direction, MWh, price: money is what the buyer pays."""
    names = ["isp", "system", "node", "unit", "operator", "direction", "mwh", "price"]
    frame = pd.DataFrame(rows, columns=names)
    eur = frame.direction * frame.mwh * frame.price
    return frame.drop(columns="price").assign(provider="A01", service="", eur=eur)


HELD: list[Trade] = [
    # ISP 0: the DSO buys 4 MWh up behind the rated branch (node 1) and 4 down elsewhere; the TSO is short.
    (0, "D1", 1, "a", "DSO-D1", 1, 4.0, 50.0),
    (0, "D1", 2, "b", "DSO-D1", -1, 3.0, 10.0),
    (0, "D1", 2, "c", "DSO-D1", -1, 1.0, 20.0),
    (0, "D1", 2, "b", "TSO", 1, 1.0, 60.0),
    (0, "D1", 2, "d", "TSO", 1, 1.0, 80.0),
    (0, "D1", 0, "e", "TSO", 1, 5.0, 100.0),
    (0, "D2", 1, "f", "TSO", -1, 9.0, 0.0),  # of another area: undoes nothing in D1
    # ISP 1: it buys down on both sides of the branch, at no price; the TSO 2 MWh up at a third node.
    (1, "D1", 1, "a", "DSO-D1", -1, 1.0, 0.0),
    (1, "D1", 2, "b", "DSO-D1", -1, 3.0, 0.0),
    (1, "D1", 0, "e", "TSO", 1, 2.0, 40.0),
]


def test_what_is_undone_at_three_levels_by_hand() -> None:
    """ISP 0: the DSO gets (3 * 10 + 1 * 20) / 4 = 12.5 EUR/MWh for the 4 MWh down at node 2.

    Unit b: min(3, 1) MWh at 60 - 10. Node 2: min(4, 2) at (60 + 80) / 2 - 12.5 = 57.5. Area: min(4, 7) at
    (60 + 80 + 500) / 7 - 12.5. ISP 1: 2 MWh in the area alone at 40, a quarter of them of relief.
    """
    found = contradictions(_trades(HELD), BEHIND).set_index(["isp", "direction", "purpose"])
    assert found.system.eq("D1").all()
    in_area = 4 * (640 / 7 - 12.5)
    expected = {
        (0, -1, EXCHANGE): (4, -50, 1, 50, 2, 115, 4, in_area),
        (0, 1, RELIEF): (4, 200, 0, 0, 0, 0, 0, 0),
        (1, -1, EXCHANGE): (3, 0, 0, 0, 0, 0, 1.5, 60),
        (1, -1, RELIEF): (1, 0, 0, 0, 0, 0, 0.5, 20),
    }
    assert found.index.tolist() == list(expected)
    assert found[SUMS].to_numpy() == pytest.approx(np.array(list(expected.values()), dtype=float))


def test_nothing_bought_is_nothing_undone() -> None:
    assert contradictions(_trades(HELD)[:0], BEHIND).empty
    assert contradictions(_trades([HELD[5]]), BEHIND).empty


def test_on_balance_operators_buy_against_each_other_by_hand() -> None:
    """ISP 0: 3 up, 1 down and 1 down on balance: (3 + 1 + 1 - |3 - 2|) / 2 = 2. ISP 1: a balanced market."""
    trades = _trades(
        [
            (0, "D1", 1, "a", "DSO-D1", 1, 4.0, 0.0),
            (0, "D1", 2, "b", "DSO-D1", -1, 1.0, 0.0),
            (0, "D2", 1, "c", "DSO-D2", -1, 1.0, 0.0),
            (0, "T", 1, "g", "TSO", -1, 1.0, 0.0),
            (1, "D1", 1, "a", "DSO-D1", 1, 2.0, 0.0),
            (1, "D1", 2, "b", "DSO-D1", -1, 2.0, 0.0),
            (1, "T", 1, "g", "TSO", -1, 5.0, 0.0),
        ]
    )
    assert against_each_other_mwh(trades).to_dict() == {0: 2.0, 1: 0.0}


def test_by_chance_is_the_mean_over_all_other_times() -> None:
    """2 MWh down in ISP 0; the TSO buys 1 up in ISP 1 and 5 in ISP 2: (min(2, 5) + min(2, 1)) / 2."""
    trades = _trades(
        [
            (0, "D1", 1, "a", "DSO-D1", -1, 2.0, 0.0),
            (1, "D1", 1, "b", "TSO", 1, 1.0, 0.0),
            (2, "D1", 1, "b", "TSO", 1, 5.0, 0.0),
            (2, "D1", 2, "b", "TSO", 1, 5.0, 0.0),  # elsewhere, so in the area alone
        ]
    )
    assert by_chance_mwh(trades, ["system", "node"], 3) == 1.5
    assert by_chance_mwh(trades, ["system"], 3) == 1.5
    assert by_chance_mwh(trades[:1], ["system"], 3) == 0.0
    assert by_chance_mwh(trades.assign(direction=-1), ["system"], 3) == 0.0


def test_need_is_a_shortage_a_surplus_or_none() -> None:
    system = pd.DataFrame({"isp": [0, 1, 2], "need_forecast_mw": [2.0, -1.0, 0.0]})
    assert needs_of(system).tolist() == ["shortage", "surplus", "balanced"]


def test_nodes_behind_a_rating_are_those_that_opening_the_branch_cuts_off() -> None:
    scenario = read_scenario("reference")
    for area in scenario.distribution:
        net = load_net(area.grid)
        for name in area.ratings_mva:
            net.line.loc[int(name.removeprefix("line ")), "in_service"] = False
        cut = np.array(sorted(topology.unsupplied_buses(net)))
        assert 0 < len(cut) < len(net.bus)
        nodes = load_network(area.grid).nodes_of(cut, "")
        assert np.flatnonzero(behind_ratings(scenario)[area.id]).tolist() == sorted(nodes.tolist())


def test_shares_of_a_run_by_need() -> None:
    sums = pd.DataFrame(
        {
            **dict.fromkeys(SUMS, 0.0),
            "ratings": 1.0,
            "scheme": "multilevel-01",
            "seed": 1,
            "hour": 18,
            "direction": -1,
            "need": ["shortage", "surplus"],
            "purpose": [EXCHANGE, RELIEF],
        }
    ).assign(bought_mwh=[3.0, 1.0], undone_area_mwh=[2.0, 0.0], undone_node_mwh=[1.5, 0.0])
    further = sums[conflicts.RUN][:1].assign(chance_area_pct=40.0)
    found = conflicts.by_run(sums, further).set_index("need")
    assert found.bought_mwh.to_dict() == {"all": 4.0, "shortage": 3.0, "surplus": 1.0}
    assert found.undone_node_pct.to_dict() == {"all": 37.5, "shortage": 50.0, "surplus": 0.0}
    assert found.exchange_of_undone_area_pct["all"] == 100.0
    assert found.chance_area_pct["all"] == 40.0
    assert np.isnan(found.chance_area_pct["shortage"])
    assert np.isnan(found.exchange_undone_node_pct["surplus"])  # of nothing bought there is no share


def test_differences_are_taken_seed_by_seed_within_a_group() -> None:
    """Second less first: 2 and 4, so 3 plus and minus 12.706 standard errors of 1 (t of one degree)."""
    rows = pd.DataFrame(
        {"ratings": 1.0, "scheme": ["x", "x", "y", "y"], "seed": [1, 2, 1, 2], "value": [1.0, 5.0, 3.0, 9.0]}
    )
    first, second = paired.compared(rows, ["ratings"], []).to_dict("records")
    assert (second["mean"], second["difference"], second["pairs"]) == (6.0, 3.0, 2)
    assert second["difference_low"] == pytest.approx(3.0 - 12.706, abs=1e-3)
    assert paired.cell(second, 1, True) == "3.0 [-9.7; 15.7]"
    assert paired.cell(first, 1, True) == paired.NONE


def test_the_study_on_a_small_world_twice_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world: dict[str, Any] = {"isp_minutes": 60, "solver": "highspy", "power_flow_check.audit_share": 0.0}
    monkeypatch.setattr(
        "tandem_sim.experiments.commands.sweep.on_this_machine",
        lambda work, jobs, workers: in_this_process(work, jobs),
    )
    for module in (paired, conflicts):
        monkeypatch.setattr(module, "SCENARIO", str(SMALL))
    monkeypatch.setattr(paired, "WORLD", world)
    monkeypatch.setattr(conflicts, "SCHEME_NAMES", ("multilevel-01", "common"))
    monkeypatch.setattr(conflicts, "RATINGS", (0.8, 1.0))
    conflicts.main(tmp_path / "one", tmp_path / "runs", 1, 1)
    monkeypatch.setattr(conflicts, "figure", lambda *given: None)
    conflicts.main(tmp_path / "two", tmp_path / "runs", 1, 1)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert [name.removeprefix("conflicts") for name in names] == [
        ".csv",
        ".png",
        "_causes.csv",
        "_hours.csv",
        "_statistics.csv",
        "_tables.md",
    ]
    for name in names[:1] + names[2:]:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    rows = pd.read_csv(tmp_path / "one" / "conflicts.csv")
    rows = rows[rows.need == "all"].set_index(["scheme", "ratings"])
    assert len(rows) == 3  # `common` at the ratings given alone
    local = rows.loc["multilevel-01"]
    assert local.bought_mwh[0.8] > local.bought_mwh[1.0] > 0.0
    assert (local.undone_unit_mwh <= local.undone_node_mwh + 1e-9).all()
    assert (local.undone_node_mwh <= local.undone_area_mwh + 1e-9).all()
    assert rows.loc[("common", 1.0), "bought_mwh"] == 0.0
    manifest = next((tmp_path / "runs").glob("*/manifest.json"))
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('"code"', '"kode"'), encoding="utf-8")
    with pytest.raises(SystemExit, match=r"1 finished runs are not those.*differs in code"):
        conflicts.main(tmp_path / "one", tmp_path / "runs", 1, 1)
