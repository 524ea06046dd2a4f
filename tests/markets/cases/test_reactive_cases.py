"""Reactive power in a case: the column `power`, the option `reactive`, and what the result says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import pytest

from tandem_sim.grids.errors import InputError
from tandem_sim.markets.cases.case import Case, read_case
from tandem_sim.markets.cases.clear import Outcome, clear_case
from tandem_sim.markets.cases.options import read_options
from tandem_sim.markets.cases.read_bids import read_bids
from tandem_sim.markets.schemes import build_schemes
from tests.markets.cases.test_edge_markets import little_case
from tests.markets.small import random_tree

HEAD = "bid_id,system,bus,direction,quantity_mw,price_eur_per_mwh"
BIDS = ["u1,D1,12,up,2,60,active", "t1,T,1,up,2,80,active", "t2,T,2,down,2,10,active"]
OFFERS = ["q1,D1,12,up,3,4,reactive", "q2,D1,11,up,3,3,reactive", "q3,D1,12,down,3,1,reactive"]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No need, and an area of 2 MW and 0.2 Mvar at its end behind two lines of 5 + j10 ohm on 20 kV.

    w = 1 - 2 * (2 * 10 + 0.2 * 20) / 400 = 0.88 at bus 12, and 0.94 at bus 11; a Mvar at bus 12 lifts bus 12
    by 0.1 and bus 11 by 0.05. The band of bus 12 starts at 0.95**2 = 0.9025.
    """
    made = little_case(tmp_path_factory.mktemp("reactive") / "case", need_mw=0.0, end_mw=2.0, ohm=10.0)
    net = pp.from_json(str(made / "D1.json"))
    net.bus.loc[12, "min_vm_pu"] = 0.95
    pp.to_json(net, str(made / "D1.json"))
    return write(made, *BIDS, *OFFERS)


@pytest.fixture
def folder(source: Path, tmp_path: Path) -> Path:
    return shutil.copytree(source, tmp_path / "case")


def write(folder: Path, *rows: str, head: str = f"{HEAD},power") -> Path:
    (folder / "bids.csv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return folder


def clear(case: Case, scheme: str = "multilevel-01") -> Outcome:
    return clear_case(case, build_schemes(case.options.options)[scheme])


def test_reactive_rows_make_a_book_of_their_own(folder: Path) -> None:
    case = read_case(folder)
    area = case.areas["D1"]
    assert area.bids.bid_id.tolist() == ["u1"]
    assert area.reactive.bid_id.tolist() == ["q1", "q2", "q3"]
    assert area.reactive.direction.tolist() == [1, 1, -1]
    assert area.reactive.quantity_mw.tolist() == [3.0, 3.0, 3.0]
    assert case.options.options.local_reactive
    assert not read_case(write(folder, *BIDS)).options.options.local_reactive


def test_voltages_are_relieved_and_the_result_says_how(folder: Path) -> None:
    # 0.0225 are missing: 0.225 Mvar of q1 at 4, or 0.45 of q2 at 3.
    case = read_case(folder)
    np.testing.assert_allclose(case.areas["D1"].rows.w_pu2, [1.0, 0.94, 0.88])
    outcome = clear(case)
    entry = outcome.as_dict(None)
    assert entry["reactive"] == [{"bid_id": "q1", "quantity_mvar": pytest.approx(0.225)}]
    assert entry["reactive_cost_eur_per_h"] == pytest.approx(0.9)
    assert entry["voltage_violations"] == 0
    assert (entry["cost_eur_per_h"], entry["cleared"]) == (0.0, [])
    assert json.loads(json.dumps(entry, allow_nan=False)) == entry
    central = clear(case, "central-01").as_dict(None)  # has no local market
    assert (central["reactive"], central["reactive_cost_eur_per_h"]) == ([], 0.0)
    assert central["voltage_violations"] == 1
    plain = clear(read_case(write(folder, *BIDS))).as_dict(None)
    assert not {"reactive", "reactive_cost_eur_per_h"} & plain.keys()
    assert plain["voltage_violations"] == 1


def test_the_option_of_the_case_comes_before_its_bids(folder: Path) -> None:
    spec = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    (folder / "case.json").write_text(
        json.dumps({**spec, "options": {"local_reactive": False}}), encoding="utf-8"
    )
    outcome = clear(read_case(folder))
    assert outcome.reactive == ()
    assert outcome.linear.buses == 1


@pytest.mark.parametrize("given", [1, "yes", None])
def test_an_option_that_is_neither_true_nor_false(given: Any) -> None:
    with pytest.raises(InputError, match="Give true or false") as error:
        read_options({"local_reactive": given}, Path("case.json"))
    assert error.value.field == "options.local_reactive"


@pytest.mark.parametrize(
    ("row", "field", "problem"),
    [
        ("q9,D1,2,up,3,4,sell,0,imaginary", "power in line 2", "is imaginary"),
        ("q9,D1,2,up,3,4,sell,0,", "power in line 2", "is empty"),
        ("q9,T,1,up,3,4,sell,0,reactive", "system in line 2", "is T for reactive power"),
        ("q9,D1,2,up,3,-4,sell,0,reactive", "price_eur_per_mwh in line 2", "is -4.0 for reactive power"),
        ("q9,D1,2,up,3,4,buy,0,reactive", "side in line 2", "is buy for reactive power"),
        ("q9,D1,2,up,3,4,sell,1,reactive", "held_mw in line 2", "is 1.0 for reactive power"),
    ],
)
def test_faults_of_reactive_bids(row: str, field: str, problem: str, tmp_path: Path) -> None:
    grid = random_tree(np.random.default_rng(0))  # of buses 0, 1, 2, ..
    write(tmp_path, row, head=f"{HEAD},side,held_mw,power")
    with pytest.raises(InputError) as error:
        read_bids(tmp_path / "bids.csv", {"T": grid, "D1": grid})
    assert (error.value.field, error.value.problem) == (field, problem)
    assert error.value.hint


def test_forecasts_of_later_gates_know_what_was_bought(folder: Path) -> None:
    """The corrective market has its own forecast, and nothing left to relieve."""
    state = {"D1": {"bus": [10, 11, 12], "p_mw": [0.0, 0.0, -2.0], "q_mvar": [0.0, 0.0, -0.2]}}
    (folder / "forecasts.json").write_text(
        json.dumps({"dso_clear": state, "correct": state}), encoding="utf-8"
    )
    spec = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    (folder / "case.json").write_text(json.dumps({**spec, "forecasts": "forecasts.json"}), encoding="utf-8")
    write(folder, *BIDS, "d1,D1,10,down,2,30,active", *OFFERS)
    with_offers = clear(read_case(folder), "multilevel-02")
    assert with_offers.reactive
    assert with_offers.cleared == []
    write(folder, *BIDS, "d1,D1,10,down,2,30,active")
    without = clear(read_case(folder), "multilevel-02")
    assert {(bid, market) for bid, market, _ in without.cleared} == {
        ("u1", "dso_market"),
        ("d1", "dso_market"),
    }
