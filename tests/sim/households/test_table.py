"""A table of six households: who has what, where and of whom, and what is refused, with its place."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tandem_sim.agents.devices.population import ROW
from tandem_sim.agents.households.household import Household
from tandem_sim.agents.households.layout import Residents, lay_out
from tandem_sim.experiments.runs.scenario import read_scenario
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.io.profiles import span
from tandem_sim.sim.model import FlexibilityModel
from tests.mutants import mutants
from tests.sim.conftest import HOURLY, small_scenario
from tests.sim.households.people import SIX, drawn, model_of, with_table
from tests.sim.worlds import outcome

FEEDER = {"name": "S", "area": "D1", "bus": 61, "grid": "ieee_european_lv_asymmetric"}


def test_sites_and_aggregators_are_those_of_the_table(tmp_path: Path) -> None:
    model = model_of(with_table(tmp_path, SIX), tmp_path)
    (area,) = model.areas
    of_bus = dict(zip(area.network.bus_index.tolist(), area.network.bus_node.tolist(), strict=True))
    people = model.agents_by_type[Household]
    found = [(int(area.site_node[h.site]), h.aggregator) for h in people]
    expected = [(2, "A01"), (3, "A01"), (11, "A01"), (11, "A02"), (61, "A03"), (69, "A01")]
    assert found == [(of_bus[bus], name) for bus, name in expected]
    layout = model.fleet_agent.fleet.layout
    np.testing.assert_array_equal(layout.device("battery").cells.energy_kwh, [10.0, 12.0])
    np.testing.assert_array_equal(layout.device("battery").cells.power_kw, [4.0, 5.0])
    np.testing.assert_array_equal(layout.device("ev").sessions.kw, [11.0, 7.4, 3.7])
    np.testing.assert_array_equal(layout.device("heat_pump").pumps.power_kw, [3.0])
    assert layout.device("pv").kwp.sum() == 15.0


def test_a_bus_without_load_draws_no_reactive_power_and_no_other_load(tmp_path: Path) -> None:
    """1 kW at bus 2, which has no load in case69: 1 kW of injection less, and nothing else there."""
    model = model_of(with_table(tmp_path, SIX), tmp_path)
    (area,) = model.areas
    node = int(area.network.nodes_of(np.array([2]), "bus")[0])
    assert area.network.p_mw[node] == area.share[node] == area.tan_phi[node] == 0.0
    load = np.zeros(area.sites.stop)
    load[area.site_node.tolist().index(node)] = -1.0
    p, q = area.injections(0, load, load)
    assert (p[node], q[node]) == (pytest.approx(-0.001), 0.0)
    loaded = int(area.network.nodes_of(np.array([11]), "bus")[0])
    assert area.share[loaded] == pytest.approx(area.network.p_mw[loaded] / area.network.p_mw.sum())


def test_inflexible_load_of_a_year_is_annual_consumption(tmp_path: Path) -> None:
    """8784 hours of the measured year, without shifts: 3000 + 4000.5 + 2500 + 1000 + 1000 + 0 kWh."""
    first, last = span()
    fields: dict[str, Any] = {"population.shift_weeks": 0, "population.jitter_h": 0.0, "zone": "UTC"}
    scenario = with_table(tmp_path, SIX, **fields)
    grids, homes = drawn(scenario, tmp_path)
    times = pd.date_range(first, last, freq="1h", inclusive="left")
    residents = Residents(
        site_of=grids.site_of,
        aggregator_of=np.zeros(6, dtype=np.int64),
        n_sites=grids.n_sites,
        rows=np.zeros((6, ROW)),
    )
    layout = lay_out(scenario.population.drawn_from, residents, times, homes=homes)
    kwh = sum(layout.load_kw * layout.window.read(isp, layout.load_at) for isp in range(len(times)))
    assert len(times) == 8784
    by_site = np.bincount(layout.load_site, weights=kwh, minlength=grids.n_sites)
    np.testing.assert_allclose(by_site[by_site > 0], [1000.0, 1000.0, 7000.5, 2500.0], rtol=1e-9)


def test_a_battery_keeps_its_power_and_a_house_without_pv_may_have_one(tmp_path: Path) -> None:
    """b has no PV: its battery supplies its load until it is empty. f has no load: its battery stays full."""
    fleet = model_of(with_table(tmp_path, SIX, **HOURLY), tmp_path).fleet_agent.fleet
    up, down = fleet.swing_kw()[1], fleet.swing_kw()[-1]
    batteries = fleet.groups.device == 1
    np.testing.assert_array_equal(up[batteries], [10.0, 8.0])  # twice 5 kW of A01, twice 4 kW of A02
    np.testing.assert_array_equal(down[batteries], [10.0, 8.0])
    rated = fleet.rated_kw()[1]
    np.testing.assert_array_equal(rated[batteries], [5.0, 4.0])
    offered = fleet.lookahead(0, 0, 50.0, {})
    assert (offered.up_kw <= up).all()
    assert (offered.down_kw <= down).all()
    for isp in range(24):
        fleet.step(isp, None, None)
    assert fleet.checks() == []
    np.testing.assert_allclose(fleet.snapshot()["battery_stored_kwh"], [0.0, 12.0], atol=1e-9)


def _sessions(folder: Path, ev: str, days: int = 60) -> tuple[float, float]:
    """Energy (kWh) that one EV needed in so many days, and its highest charging power (kW)."""
    table = (
        f"bus,annual_kwh,pv_kwp,battery_kwh,heat_pump_kw,ev_kw,ev_profile,ev_smart\n61,0,0,0,0,{ev},false\n"
    )
    scenario = with_table(folder, table, **HOURLY, start="2016-01-11", days=days)
    fleet = model_of(scenario, folder).fleet_agent.fleet
    highest = 0.0
    for isp in range(24 * days):
        highest = max(highest, -fleet.step(isp, None, None).site_p_kw.min())
    assert fleet.checks() == []
    return float(fleet.snapshot()["ev_needed_kwh"][0]), highest


def test_a_charger_of_another_power_charges_the_same_energy(tmp_path: Path) -> None:
    """Sessions measured at 11 kW: the same kWh with 7.4 and 22 kW, and no more power than the charger's."""
    measured, peak = _sessions(tmp_path, "11,HLS_A_11.0")
    slower, low = _sessions(tmp_path, "7.4,HLS_A_11.0")
    faster, high = _sessions(tmp_path, "22,HLS_A_11.0")
    assert measured > 50.0
    assert slower == pytest.approx(measured, rel=1e-9)
    assert faster == pytest.approx(measured, rel=1e-9)
    assert low <= 7.4
    assert peak <= 11.0
    assert peak < high <= 22.0


@pytest.mark.parametrize(
    ("kw", "profiles"),
    [
        ("3.7", {0, 1, 2}),
        ("7.3", {0, 1, 2}),  # 3.6 from 3.7, 3.7 from 11
        ("7.4", {3, 4}),  # 3.7 from 3.7, 3.6 from 11
        ("16.6", {5}),  # 5.4 from 22, 5.6 from 11
        ("22", {5}),
    ],
)
def test_an_ev_takes_a_profile_of_the_nearest_charger(kw: str, profiles: set[int], tmp_path: Path) -> None:
    table = "bus,ev_kw\n" + f"61,{kw}\n" * 40
    _, homes = drawn(with_table(tmp_path, table), tmp_path)
    assert set(homes.ev_profile.tolist()) == profiles
    assert set(homes.ev_kw.tolist()) == {float(kw)}


def test_phases_are_as_given_and_otherwise_as_drawn(tmp_path: Path) -> None:
    """f has 10 kWp on one phase, because the table says so; by Synergrid's rule it would be on three."""
    fields: dict[str, Any] = {"population.three_phase_share": 0.0}
    _, homes = drawn(with_table(tmp_path, SIX, **fields), tmp_path)
    assert homes.phases.tolist() == [1, 1, 1, 1, 3, 1]


def test_batteries_are_drawn_where_the_table_has_pv(tmp_path: Path) -> None:
    """Of owners of PV battery_share / pv_share have a battery: 0.3 / 0.5, and nobody else has."""
    table = "bus,pv_kwp\n" + "61,5\n61,0\n" * 1000
    _, homes = drawn(with_table(tmp_path, table), tmp_path)
    assert homes.has_pv.sum() == 1000
    assert not (homes.has_battery & ~homes.has_pv).any()
    assert homes.has_battery.sum() / 1000 == pytest.approx(0.6, abs=4 * np.sqrt(0.24 / 1000))


def _replaced(old: str, new: str) -> str:
    assert old in SIX
    return SIX.replace(old, new, 1)


REFUSED = [
    (_replaced("annual_kwh", "annual_kw"), "annual_kw", "Did you mean annual_kwh"),
    (_replaced("bus,", "busses,"), "busses", "Did you mean bus"),
    ("household,annual_kwh\na,3\n", "bus", "the column is missing"),
    (_replaced("c,61", "c,4000"), "bus in line 4", "bus 4000 does not exist"),
    (_replaced("c,61", "c,6.5"), "bus in line 4", "is 6.5"),
    (_replaced("c,61", "c,"), "bus in line 4", "is empty"),
    (_replaced("A03", "A04"), "aggregator in line 4", "Use A01 to A03, or 1 to 3"),
    (_replaced("b,11,2", "b,11,0"), "aggregator in line 3", "0 is no aggregator"),
    (_replaced("3000", "3000 kWh"), "annual_kwh in line 2", "is no number"),
    (_replaced("3000", "03000"), "annual_kwh in line 2", "leading zero"),
    (_replaced("3000", "3_000"), "annual_kwh in line 2", "underscores"),
    (_replaced("3000", '"3,5"'), "annual_kwh in line 2", "has a comma"),
    (_replaced("3000", "nan"), "annual_kwh in line 2", "not finite"),
    (_replaced("3000", "inf"), "annual_kwh in line 2", "not finite"),
    (_replaced("3000", "1e999"), "annual_kwh in line 2", "too large"),
    (_replaced("3000", "-1"), "annual_kwh in line 2", "outside 1 to 1000000 kWh/a"),
    (_replaced("3000", ""), "annual_kwh in line 2", "Write 0 for none"),
    (_replaced(",5,0,,0,0", ",0.05,0,,0,0"), "pv_kwp in line 2", "outside 0.1 to 100 kW"),
    (_replaced("10,4,7.4", "10,0,7.4"), "battery_kw in line 3", "outside 0.1 to 100 kW"),
    (_replaced("5,0,,0,0", "5,0,4,0,0"), "battery_kw in line 2", "battery_kwh is 0"),
    (_replaced("7.4", "70"), "ev_kw in line 3", "outside 1 to 50 kW"),
    (_replaced("3.7,0,3", "3.7,0,2"), "phases in line 4", "Use 1, 3"),
    (_replaced("d,2", "a,2"), "household in line 5", "a is the name in line 2 too"),
    (_replaced("d,2,1,1000,0,0,,0,0,", "d,2,1,1000,0,0,,0,0"), "line 5", "9 cells under 10 columns"),
    (_replaced("phases", "household"), "household", "given twice"),
    ("", "file", "is empty"),
    ("household,bus\n", "file", "has no row"),
    (",bus\n0,61\n", "a column without a name", "index=False"),
    (SIX.replace(",", ";"), "household;bus", "Separate them by commas"),
    ("bus,heat_loss_h,heat_pump_kw\n61,2,3\n", "heat_loss_h in line 2", "population.recovery_h 3"),
    ("bus,cop\n61,0\n", "cop in line 2", "outside 1 to 10"),
    ("bus,load_profile\n61,H0-Z\n", "load_profile in line 2", "Did you mean H0-"),
    ("bus,ev_profile\n61,HLS_A_12.0\n", "ev_profile in line 2", "Did you mean HLS_A_"),
    ("bus,ev_smart\n61,yes\n", "ev_smart in line 2", "Use false, true"),
    ("bus,contract\n61,non-firm\n", "contract in line 2", "is on no LV feeder"),
    ("bus,lv_feeder\n61,S\n", "lv_feeder in line 2", "S is no LV feeder"),
    ("bus,area\n61,D2\n", "area in line 2", "D2 is no area"),
    ("bus,area\n61,\n", "area in line 2", "is empty"),
    ("bus\n61\n\n\n6x\n", "bus in line 5", "is 6x"),
]


@pytest.mark.parametrize(("table", "field", "says"), REFUSED, ids=[f"{f}: {s}" for _, f, s in REFUSED])
def test_a_fault_is_named_with_file_place_and_hint(table: str, field: str, says: str, tmp_path: Path) -> None:
    scenario = with_table(tmp_path, table)
    with pytest.raises(InputError) as found:
        model_of(scenario, tmp_path)
    assert found.value.source == str(tmp_path / "people.csv")
    assert field in found.value.field
    assert says in str(found.value)
    assert found.value.hint


def test_the_area_may_be_left_out_where_there_is_one(tmp_path: Path) -> None:
    scenario, _ = read_scenario("reference", {"households": None, "population.table": "people.csv"})
    (tmp_path / "people.csv").write_text("bus\n61\n", encoding="utf-8")
    with pytest.raises(InputError, match="area: the column is missing, and there are 2 areas"):
        model_of(scenario, tmp_path)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"households": 7}, "households"),
        ({"population.table": "nowhere.csv"}, "population.table"),
    ],
)
def test_what_the_scenario_says_of_the_table_is_checked(
    changes: dict[str, Any], field: str, tmp_path: Path
) -> None:
    with_table(tmp_path, SIX)
    with pytest.raises(InputError) as found:
        model_of(with_table(tmp_path, SIX, **changes), tmp_path)
    assert (found.value.source, found.value.field) == ("scenario", field)


def test_without_a_table_the_number_of_households_is_needed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"households: is missing, and there is no population\.table"):
        small_scenario(households=None)
    model_of(with_table(tmp_path, SIX, households=6), tmp_path)


def test_a_household_takes_the_place_of_the_user_it_names(tmp_path: Path) -> None:
    """b with 7000 kWh is user 8; a, who names the feeder alone, is user 1; the others have 1000 kWh."""
    rows = ["b,61,S,{},7000", "a,61,S,,6500", "c,3,,,100", *(f"z{k:02d},61,,,1000" for k in range(60))]
    table = "\n".join(
        ["household,bus,lv_feeder,lv_user,annual_kwh,load_profile", *(f"{r},H0-A" for r in rows)]
    )
    fields: dict[str, Any] = {"low_voltage": [FEEDER]}
    anyone = model_of(with_table(tmp_path, table.format(""), **fields), tmp_path)
    assert anyone.non_firm is not None
    users = [user.name for user in anyone.non_firm.lv_feeders[0].feeder.users]
    model = model_of(with_table(tmp_path, table.format(users[7]), **fields), tmp_path)
    kw = model.fleet_agent.fleet.connections.load_kw
    assert len(kw) == len(users) == 55
    np.testing.assert_allclose(kw / kw[1], [6.5, *[1.0] * 6, 7.0, *[1.0] * 47])


FEEDER_FAULTS = [
    ("lv_feeder,lv_user", "S,nobody", "lv_user in line 2", "nobody is no user of feeder S"),
    ("lv_feeder,lv_user", ",1", "lv_user in line 2", "without a feeder"),
    ("lv_feeder,bus2", "S,3", "bus2", "is no column"),
    ("contract", "non-firm", "contract in line 2", "non_firm.enabled is false"),
    ("contract", "part", "contract in line 2", "Use firm, non-firm"),
    ("phases", "3", "phases in line 2", "on 1"),
]


@pytest.mark.parametrize(("columns", "cells", "field", "says"), FEEDER_FAULTS)
def test_faults_of_rows_on_a_feeder(columns: str, cells: str, field: str, says: str, tmp_path: Path) -> None:
    others = "".join(f"z{k},61,{',' * columns.count(',')}\n" for k in range(60))
    rows = f"household,bus,{columns}\na,61,{cells}\n{others}"
    with pytest.raises(InputError) as found:
        model_of(with_table(tmp_path, rows, low_voltage=[FEEDER]), tmp_path)
    assert found.value.field == field
    assert says in str(found.value)


def test_a_feeder_at_another_bus_and_too_many_on_one_are_refused(tmp_path: Path) -> None:
    rows = "bus,lv_feeder\n3,S\n" + "61,\n" * 60
    with pytest.raises(InputError, match=r"lv_feeder in line 2: is S, a feeder at another bus"):
        model_of(with_table(tmp_path, rows, low_voltage=[FEEDER]), tmp_path)
    with pytest.raises(InputError, match="feeder S has 55 users, and more households are on it"):
        model_of(with_table(tmp_path, "bus,lv_feeder\n" + "61,S\n" * 56, low_voltage=[FEEDER]), tmp_path)
    with pytest.raises(InputError, match=r"has 55 users, and bus 61 of D1 has 54 households"):
        model_of(with_table(tmp_path, "bus\n" + "61\n" * 54, low_voltage=[FEEDER]), tmp_path)
    own = {**FEEDER, "own_aggregator": True}
    with pytest.raises(InputError, match="is on a feeder with an aggregator of its own"):
        model_of(with_table(tmp_path, "bus,aggregator\n" + "61,A01\n" * 56, low_voltage=[own]), tmp_path)


def test_contracts_are_held_as_the_table_says(tmp_path: Path) -> None:
    """Of 55 users 22 are drawn (0.4 of them); three rows say what they hold, the others stay as drawn."""
    fields: dict[str, Any] = {
        "low_voltage": [FEEDER],
        "non_firm": {"enabled": True, "guaranteed_import_kw": 4.2, "participation": 0.4},
    }
    rows = [f"h{k:02d},61," for k in range(60)]
    before = model_of(with_table(tmp_path, "\n".join(["household,bus,contract", *rows]), **fields), tmp_path)
    assert before.non_firm is not None
    held = before.non_firm.book.contracts.held
    assert held.sum() == 22
    said = [f"h{k:02d},61,{'firm' if held[k] else 'non-firm'}" for k in range(3)]
    after = model_of(
        with_table(tmp_path, "\n".join(["household,bus,contract", *said, *rows[3:]]), **fields), tmp_path
    )
    assert after.non_firm is not None
    np.testing.assert_array_equal(after.non_firm.book.contracts.held[:3], ~held[:3])
    np.testing.assert_array_equal(after.non_firm.book.contracts.held[3:], held[3:])


def test_an_area_without_load_may_have_households_of_a_table(tmp_path: Path) -> None:
    areas = [{"id": "D1", "grid": "case69", "load_scale": 0.0, "interface_bus": 4, "other_profile": ["G0-A"]}]
    keys = with_table(tmp_path, SIX, **HOURLY, distribution=areas).model_dump(mode="json", by_alias=True)
    keys["population"]["table"] = str(tmp_path / "people.csv")
    assert outcome(keys, tmp_path / "run") == "ran"


@pytest.mark.parametrize("n", [200, pytest.param(2000, marks=pytest.mark.long("ten times as many mutants"))])
def test_spoiled_tables_run_or_are_refused_in_a_line(n: int, tmp_path: Path) -> None:
    """Anything but an `InputError` of one line goes through; some run two hours."""
    scenario = with_table(tmp_path, SIX, **HOURLY)
    keys = scenario.model_dump(mode="json", by_alias=True)
    keys["population"]["table"] = str(tmp_path / "people.csv")
    rng, counts = random.Random(1), {"ran": 0, "built": 0, "refused": 0}
    told: list[str] = []
    for data in islice(mutants(SIX, n, "csv"), n):
        (tmp_path / "people.csv").write_bytes(data)
        if rng.random() < 0.05:
            counts["ran" if outcome(keys, tmp_path / "run") == "ran" else "refused"] += 1
            continue
        try:
            FlexibilityModel(scenario, tmp_path, tmp_path / "out")
        except InputError as error:
            told.append(str(error))
        else:
            counts["built"] += 1
    assert all(text.isprintable() and len(text) < 1500 for text in told)
    counts["refused"] += len(told)
    assert counts["refused"] > n // 3
    assert counts["built"] > n // 20


def test_profiles_are_those_of_the_population(tmp_path: Path) -> None:
    """Of G0-A and H0-B the second, by name; H0-A is then none."""
    fields: dict[str, Any] = {"population.load_profiles": ["G0-A", "H0-B"]}
    _, homes = drawn(with_table(tmp_path, "bus,load_profile\n61,H0-B\n", **fields), tmp_path)
    assert homes.load_profile.tolist() == [1]
    with pytest.raises(InputError, match=r"load_profile in line 2: H0-A is not known\. Did you mean H0-B"):
        drawn(with_table(tmp_path, "bus,load_profile\n61,H0-A\n", **fields), tmp_path)


def test_sizes_outside_their_usual_range_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Consumption in MWh, and PV of 50 kWp; 0 for none is not unusual, and neither is a usual value."""
    table = "household,bus,annual_kwh,pv_kwp,heat_pump_kw\na,61,3.5,0,3\nb,61,4.1,50,0\nc,61,3000,5,2\n"
    drawn(with_table(tmp_path, table), tmp_path)
    assert caplog.messages == [
        "unusual: people.csv annual_kwh of 2 of 3 households, such as line 2 3.5: usually 100 to 50000 kWh/a",
        "unusual: people.csv pv_kwp of 1 of 3 households, such as line 3 50: usually 1 to 20 kW",
    ]
    caplog.clear()
    drawn(with_table(tmp_path, SIX), tmp_path)
    assert caplog.messages == []
