"""Days in which DSOs go by a network flexibility study: who may sell, and when."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tandem_sim.agents.services.flexibility_study import FlexibilityStudyProcess
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.io.read import load_net, load_network
from tandem_sim.grids.io.write import buses_of_nodes
from tandem_sim.grids.low_voltage.read_feeder import read_feeder
from tandem_sim.markets.grid_checks.study_register import NEWCOMER, RED, RISKS, UNANSWERED
from tandem_sim.markets.orders.flexibility_register import unit_of
from tandem_sim.sim.model import FlexibilityModel
from tandem_sim.sim.run import run
from tests.sim.conftest import HOURLY, hashes, small_scenario, table

Runs = Callable[..., Path]
AREA: dict[str, Any] = {
    "id": "D1",
    "grid": "case69",
    "load_scale": 0.2,
    "interface_bus": 4,
    "other_profile": ["G0-A"],
}
WIDE = [AREA]
"""Without ratings: all fit."""
TIGHT = [AREA | {"ratings_mva": {"line 4": 0.25, "line 50": 0.02, "line 60": 0.03}}]
TWICE = [{"share": 0.5, "applied": "2016-03-20"}]
"""Half of all households ask on 20 March at 0:00 CET; 30 times 24 hours later it is 19 April, 1:00 CEST."""
ANSWERED = 25  # the ISP that begins then


def _given(study: dict[str, Any], distribution: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "scheme": "central-02",
        "grid_prequalification": "static",
        "distribution": distribution or TIGHT,
        "flexibility_register": {"study": study},
        **HOURLY,
        **more,
    }


def _called(folder: Path) -> set[str]:
    sold = table(folder, "activations")
    return {unit_of(bid) for bid in sold[sold.system == "D1"].bid_id}


def _held_mwh(folder: Path, way: str) -> float:
    """What the DSO kept from the TSO in a direction; an ISP is an hour."""
    kept = table(folder, "bid_checks")
    return float((kept[f"offered_{way}_mw"] - kept[f"allowed_{way}_mw"]).sum())


def _offered_mwh(folder: Path, units: set[str], way: str) -> float:
    orders = table(folder, "bids")
    of_them = (orders.system == "D1") & orders.bid_id.map(unit_of).isin(units)
    return float(orders.quantity_mw[of_them & (orders.direction == (1 if way == "up" else -1))].sum())


def _refused(folder: Path, way: str) -> set[str]:
    """Units that the answer lets sell nothing in a direction."""
    answered = _of(folder, "answered")
    return set(answered.unit[(answered.reason == RED) & (answered[f"{way}_mw"] == 0.0)])


def _of(folder: Path, event: str) -> pd.DataFrame:
    rows = table(folder, "flexibility_study")
    return rows[rows.event == event]


def test_small_devices_sell_in_red_zones_of_flanders_and_large_ones_do_not(small_run: Runs) -> None:
    folder = small_run(**_given({"region": "flanders"}))
    answered = _of(folder, "answered")
    refused = set(answered[answered.reason == RED].unit)
    exempt = _of(folder, "exempt")
    assert len(refused)
    assert exempt.unit.str.endswith("-exempt").all()
    called = _called(folder)
    assert not called & refused
    red = set(answered[answered.reason == RED].node)
    assert set(exempt[exempt.unit.isin(called)].node) & red
    # The text of the rule, over all devices: cars of 11 and 22 kVA ask, nobody else does.
    asked = _of(folder, "applied")
    assert (asked.applicant == "grid user").all()
    kva = asked.single_phase_kva + asked.three_phase_kva
    assert asked.unit.str.endswith(".ev").all()
    assert (kva % 11.0).abs().max() < 1e-9
    # What is held back is what these offer.
    for way in ("up", "down"):
        assert 0.0 < _held_mwh(folder, way) == pytest.approx(_offered_mwh(folder, refused, way))


@pytest.mark.parametrize(("region", "applicant"), [("wallonia", "grid user"), ("brussels", "FSP")])
def test_elsewhere_all_ask_and_red_zones_are_closed(small_run: Runs, region: str, applicant: str) -> None:
    folder = small_run(**_given({"region": region}))
    assert len(_of(folder, "exempt")) == 0
    assert set(_of(folder, "applied").applicant) == {applicant}
    answered = _of(folder, "answered")
    red = answered[answered.reason == RED]
    assert len(red)
    assert not _called(folder) & set(red[(red.up_mw == 0) & (red.down_mw == 0)].unit)
    assert set(answered.unit) == set(_of(folder, "applied").unit)


def test_the_study_is_no_matter_of_the_days_simulated(small_run: Runs) -> None:
    one, two = (
        table(small_run(**_given({"region": "flanders"}, days=days)), "flexibility_study") for days in (1, 2)
    )
    pd.testing.assert_frame_equal(one, two)
    assert len(one) > 100


def test_newcomers_sell_from_their_answer_on(small_run: Runs) -> None:
    folder = small_run(**_given({"region": "wallonia", "newcomers": TWICE}, WIDE, days=2))
    applied, answered = _of(folder, "applied"), _of(folder, "answered")
    new = applied.unit.str.endswith("-new1")
    assert 0.4 < applied.devices[new].sum() / applied.devices.sum() < 0.6
    late = answered[answered.unit.isin(set(applied.unit[new]))]
    assert set(late.isp) == {ANSWERED}
    assert set(answered.isp) == {0, ANSWERED}
    assert (late.reason == "").all()
    assert (applied.until_s[new] == 30 * 86_400 + applied.at_s[new]).all()
    sold = table(folder, "activations")
    sold = sold[sold.system == "D1"]
    by_new = sold.bid_id.map(unit_of).str.endswith("-new1")
    assert sold.isp[by_new].min() > ANSWERED
    assert (~by_new & (sold.isp < ANSWERED)).any()
    kept = table(folder, "bid_checks").set_index("isp")
    left = kept.allowed_down_mw / kept.offered_down_mw
    assert left.loc[: ANSWERED - 1].max() < 0.8
    assert left.loc[ANSWERED + 1 :].min() == pytest.approx(1.0)
    # The ISP whose check came before the answer goes by what was known then.
    assert left.loc[ANSWERED] < 0.8


FULL = [AREA | {"ratings_mva": {"line 0": 2.4}}]
"""Half of all households fit, all of them do not."""


@pytest.mark.parametrize(
    ("applied", "contracts", "sells"),
    [
        ("2015-05-01", {}, True),  # answered on 31 May 2015, notices end on 30 May 2016
        ("2015-01-15", {}, False),  # answered on 14 February 2015, notices ended on 14 February 2016
        ("2015-01-15", {"A01": "2017-01-01"}, True),
    ],
)
def test_newcomers_turn_zones_red_and_who_was_there_sells_on_for_a_year(
    small_run: Runs, applied: str, contracts: dict[str, str], sells: bool
) -> None:
    study = {"region": "wallonia", "newcomers": [{"share": 0.5, "applied": applied}], "contracts": contracts}
    folder = small_run(**_given(study, FULL))
    notices = _of(folder, "notice")
    assert len(notices)
    assert set(notices.reason) == {NEWCOMER}
    under_contract = notices.unit.str.startswith("A01.") & bool(contracts)
    days = (notices.until_s - notices.at_s) / 86_400
    assert (days[~under_contract] == 365.0).all()
    assert (days[under_contract] > 365.0).all()
    for way in ("up", "down"):
        noticed = notices[notices[f"{way}_mw"] > 0.0]
        gone = set(noticed.unit[(noticed.until_s <= 0.0)])
        assert (len(gone) > 0) == (not sells or bool(contracts))
        assert _held_mwh(folder, way) == pytest.approx(
            _offered_mwh(folder, _refused(folder, way) | gone, way)
        )
        left = set(noticed.unit) - gone
        assert (_offered_mwh(folder, left, way) > 0.0) == sells


@pytest.mark.parametrize(("on", "ended"), [("2015-06-01", False), ("2015-03-01", True)])
def test_a_dso_that_looks_again_takes_capacity_back_after_a_year(
    small_run: Runs, on: str, ended: bool
) -> None:
    review = {"area": "D1", "on": on, "load_factor": 3.0}
    folder = small_run(**_given({"region": "wallonia", "reviews": [review]}, FULL))
    notices = _of(folder, "notice")
    assert len(notices)
    assert set(notices.reason) == {RISKS}
    assert (notices.up_mw == 0.0).all()  # more load at peak is a matter of the way down
    for way in ("up", "down"):
        gone = set(notices.unit[notices[f"{way}_mw"] > 0.0])
        assert (_offered_mwh(folder, gone, way) > 0.0) == (way == "down")
        shut = _refused(folder, way) | (gone if ended else set())
        assert _held_mwh(folder, way) == pytest.approx(_offered_mwh(folder, shut, way))


def test_an_emergency_stops_a_bus_for_its_time(small_run: Runs) -> None:
    plain = small_run(**_given({"region": "flanders"}, WIDE))
    sold = table(plain, "activations")
    node = int(sold[sold.system == "D1"].node.mode()[0])
    bus = int(buses_of_nodes(load_network("case69", None))[node])
    hours = sorted(set(sold[(sold.system == "D1") & (sold.node == node)].isp))
    emergency = {
        "area": "D1",
        "buses": [bus],
        "cause": "flooded station",
        "start": f"2016-04-18T{hours[0]:02d}:00:00",
        "end": f"2016-04-18T{hours[0] + 1:02d}:00:00",
    }
    folder = small_run(**_given({"region": "flanders", "emergencies": [emergency]}, WIDE))
    (row,) = _of(folder, "emergency").to_dict("records")
    assert (row["isp"], row["node"], row["reason"]) == (hours[0], node, "flooded station")
    after = table(folder, "activations")
    there = after[(after.system == "D1") & (after.node == node)]
    assert hours[0] not in set(there.isp)
    assert len(there)


def test_the_register_hears_of_answers_and_lets_units_sell(small_run: Runs) -> None:
    register = {"enabled": True, "grid_test": True, "study": {"region": "wallonia", "newcomers": TWICE}}
    folder = small_run(
        scheme="central-01", distribution=WIDE, days=3, flexibility_register=register, **HOURLY
    )
    rows = table(folder, "flexibility_register")
    new = rows[rows.unit.str.endswith("-new1")]
    assert set(new.event) == {"refused", "revised"}
    assert set(new.reason[new.event == "refused"]) == {UNANSWERED}
    # Sent at noon after the answer: on 19 April, of which the next day is the third.
    assert set(new.isp[new.event == "revised"]) == {48}
    orders = table(folder, "bids")
    by_new = orders.bid_id.map(unit_of).str.endswith("-new1")
    assert 36 <= orders.isp[by_new].min() <= 38
    refused = table(folder, "rejections")
    of_new = refused[refused.bid_id.str.contains("-new1")]
    assert of_new.reason.str.contains("not in the flexibility register").all()
    assert of_new.isp.max() < 38


def test_the_order_in_which_agents_are_created_changes_nothing(small_run: Runs) -> None:
    given = _given({"region": "flanders", "newcomers": TWICE}, days=2)
    backwards = small_run(creation_order=lambda things: list(reversed(things)), label="backwards", **given)
    assert hashes(backwards) == hashes(small_run(**given))


def test_a_day_without_a_study_is_what_it_was_whatever_the_region(small_run: Runs) -> None:
    plain = small_run(**HOURLY)
    brussels = small_run(flexibility_register={"study": {"region": "brussels"}}, **HOURLY)
    assert hashes(plain) == hashes(brussels)
    assert table(plain, "flexibility_study").empty


LATER = {"area": "D1", "on": "2016-01-01"}
FLOOD = {
    "area": "D1",
    "buses": [4],
    "cause": "flood",
    "start": "2016-04-18T10:00:00",
    "end": "2016-04-18T11:00:00",
}


@pytest.mark.parametrize(
    ("study", "complaint"),
    [
        ({"region": "ruhr"}, "region"),
        ({"newcomers": [{"share": 0.6, "applied": "2016-01-01"}] * 2}, "add up to more than 1"),
        ({"reviews": [LATER | {"area": "D9"}]}, "study.reviews.0.area: D9 is no area; known are D1"),
        ({"reviews": [LATER | {"load_factor": 0.5}]}, "load_factor"),
        ({"contracts": {"A77": "2017-01-01"}}, "study.contracts.A77: A77 is no aggregator"),
        ({"emergencies": [FLOOD | {"cause": "Congestion"}]}, "congestion is no emergency"),
        ({"emergencies": [FLOOD | {"end": "2016-04-18T09:00:00"}]}, "does not lie after start"),
        ({"emergencies": [FLOOD | {"start": "2016-04-18T10:00:00+02:00"}]}, "local times"),
    ],
)
def test_a_study_that_cannot_be_is_refused(study: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        small_scenario(**_given(study))


def test_what_would_have_no_effect_is_refused() -> None:
    with pytest.raises(InputError, match=r"flexibility_register.study.newcomers: no study is made"):
        small_scenario(flexibility_register={"study": {"newcomers": TWICE}})
    with pytest.raises(InputError, match=r"flexibility_register.grid_test: there is no register"):
        small_scenario(flexibility_register={"grid_test": True})
    register = {"enabled": True, "grid_test": True, "study": {"emergencies": [FLOOD]}}
    with pytest.raises(InputError, match=r"emergencies: need grid_prequalification static"):
        small_scenario(flexibility_register=register)


def test_a_bus_that_is_not_there_is_named(tmp_path: Path) -> None:
    flood = FLOOD | {"buses": [4, 700]}
    with pytest.raises(InputError, match=r"flexibility_register.study.emergencies.0.buses") as error:
        run(small_scenario(**_given({"emergencies": [flood]})), None, tmp_path)
    assert "700" in str(error.value)


def test_the_net_of_a_street_tells_phases_to_the_study(tmp_path: Path) -> None:
    # Of the IEEE European LV feeder all 55 users stand on one phase, as its table of loads says.
    name = "ieee_european_lv_asymmetric"
    feeder = read_feeder(load_net(name, None), name, 1.0, units=False)
    assert [len(user.phases) for user in feeder.users] == [1] * 55
    lv_feeder = {"name": "S", "area": "D1", "bus": 61, "grid": name, "source_vm_pu": 1.0}
    everybody = {"pv_share": 1.0, "battery_share": 1.0, "ev_share": 1.0, "heat_pump_share": 1.0}
    given = _given({"region": "flanders"}, households=420, population=everybody, low_voltage=[lv_feeder])
    model = FlexibilityModel(small_scenario(**given), None, tmp_path)
    (dso,) = model.dsos
    study = dso.role(FlexibilityStudyProcess)
    assert study is not None
    units = {a.unit: a for a in study.timeline.applications}
    on_lv_feeder = {unit: a for unit, a in units.items() if "-S." in unit}
    assert sum(len(a.kva) for a in on_lv_feeder.values()) == 4 * 55
    assert all((a.phases == 1).all() for a in on_lv_feeder.values())
    pv = {unit: a for unit, a in on_lv_feeder.items() if ".pv" in unit}
    assert sum(len(a.kva) for a in pv.values()) == 55
    for unit, a in pv.items():
        assert unit.endswith("-exempt") == bool((a.kva < 5.0).all()) == bool((a.kva < 5.0).any())
    assert {unit.endswith("-exempt") for unit in pv} == {True, False}
    elsewhere = [a for unit, a in units.items() if "-S." not in unit and ".pv" in unit]
    assert all((a.phases[a.kva > 5.0] == 3).all() for a in elsewhere)
