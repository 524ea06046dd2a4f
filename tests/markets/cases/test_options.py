"""What a case may say beside grids and bids: options, forecasts, schedules, ratings and zones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tandem_sim.grids.choices import OFFSETS
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.io.read import load_network
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.power_flow.operator_model import Margins
from tandem_sim.markets.cases.case import read_case
from tandem_sim.markets.cases.clear import clear_case
from tandem_sim.markets.cases.options import CaseOptions
from tandem_sim.markets.schemes import SCHEMES, Options, build_schemes
from tests.markets.cases.test_edge_markets import little_case

Spec = dict[str, Any]
Edit = Callable[[Spec], None]

D1, DSO, TSO = "distribution.0", "dso_clear.D1", "tso_clear.T"
HUGE = 10**400  # JSON has whole numbers of any size


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return little_case(tmp_path_factory.mktemp("little") / "source")


@pytest.fixture(autouse=True)
def _grids_read_once(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test changes a grid, and reading one takes most of the time."""
    monkeypatch.setattr(
        "tandem_sim.markets.cases.case.load_network", lambda grid, folder: _grid(grid, source)
    )


@cache
def _grid(grid: str, folder: Path) -> Network:
    return load_network(grid, folder)


@pytest.fixture
def folder(source: Path, tmp_path: Path) -> Path:
    """A case that a test may change."""
    return shutil.copytree(source, tmp_path / "case")


def change(folder: Path, *edits: Edit) -> Path:
    """Edit ``case.json``."""
    spec = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    for edit in edits:
        edit(spec)
    (folder / "case.json").write_text(json.dumps(spec), encoding="utf-8")
    return folder


def write_forecasts(folder: Path, forecasts: Any) -> Path:
    (folder / "forecasts.json").write_text(json.dumps(forecasts), encoding="utf-8")
    return change(folder, lambda spec: spec.update(forecasts="forecasts.json"))


def refused(folder: Path, file: str, field: str, problem: str) -> None:
    """One `InputError` that names file, field and hint; any other error fails the test."""
    with pytest.raises(InputError) as error:
        read_case(folder)
    assert Path(error.value.source).name == file
    assert error.value.field == field
    assert problem in error.value.problem
    assert error.value.hint


def at(path: str, value: Any) -> Edit:
    """Put a value where a dotted path leads, or take away what stands there (``...``)."""

    def edit(spec: Spec) -> None:
        place: Any = spec
        *keys, last = path.split(".")
        for key in keys:
            place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
        place.update({last: value})
        if value is ...:
            del place[last]

    return edit


ALL_OPTIONS: Spec = {
    "scheme": "hybrid",
    "offset": "ac",
    "flow_margin": 0.05,
    "voltage_margin_pu": 0.002,
    "grid_prequalification": "static",
    "aggregation": "exact",
    "aggregation_step_mw": 0.1,
    "pricing": "locational",
    "boundary_tolerance_mw": 0.25,
    "mol_rounds": 3,
}


def test_options_are_read_and_what_is_not_given_keeps_its_default(folder: Path) -> None:
    assert read_case(folder).options == CaseOptions()
    expected = CaseOptions(
        scheme="hybrid",
        offset="ac",
        margins=Margins(0.05, 0.002),
        options=Options(
            grid_prequalification="static",
            aggregation="exact",
            aggregation_step_mw=0.1,
            pricing="locational",
            boundary_tolerance_mw=0.25,
            mol_rounds=3,
        ),
    )
    assert read_case(change(folder, at("options", ALL_OPTIONS))).options == expected
    change(folder, at("options", {"pricing": "pay-as-cleared"}))
    assert read_case(folder).options == CaseOptions(options=Options(pricing="pay-as-cleared"))
    assert read_case(change(folder, at("options", {}))).options == CaseOptions()


def test_the_check_of_envelopes_is_an_option_of_a_case(folder: Path) -> None:
    change(folder, at("options", {"envelope_check": "ac"}))
    assert read_case(folder).options == CaseOptions(options=Options(envelope_check="ac"))
    refused(change(folder, at("options.envelope_check", "dc")), "case.json", "options.envelope_check", "dc")
    both = {"envelope_check": "ac", "grid_prequalification": "static"}
    refused(change(folder, at("options", both)), "case.json", "options", "grid_prequalification static")


def test_offset_of_the_call_comes_before_that_of_the_case(folder: Path) -> None:
    change(folder, at("options.offset", "ac"))
    assert read_case(folder).areas["D1"].offset == "ac"
    assert read_case(folder, "linear").areas["D1"].offset == "linear"
    flow = {offset: read_case(folder, offset).areas["D1"].rows.flow_mw for offset in OFFSETS}
    assert (np.abs(flow["ac"]) > np.abs(flow["linear"])).all()  # losses


def test_margins_narrow_what_the_dso_sees_and_not_what_is_counted(folder: Path) -> None:
    margins = {"flow_margin": 0.1, "voltage_margin_pu": 0.01}
    area = read_case(change(folder, at("options", margins))).areas["D1"]
    np.testing.assert_allclose(area.rows_with_margins.limit_mw, 0.9 * area.rows.limit_mw)
    np.testing.assert_allclose(area.rows_with_margins.w_min_pu2, area.rows.w_min_pu2 + 0.02)


def test_ratings_replace_those_of_the_grids(folder: Path) -> None:
    own = read_case(folder).areas["D1"].network.branches.s_max_mva
    given = (
        at(f"{D1}.ratings_mva", {"line 1": 0.5}),
        at("transmission.ratings_mva", {"line 0": 7, "line 1": 8}),
    )
    case = read_case(change(folder, *given))
    branches = case.areas["D1"].network.branches
    assert branches.s_max_mva.tolist() == [own[0], 0.5]
    assert branches.i_max_from_ka[1] == pytest.approx(0.5 / np.sqrt(3.0) / 20.0)
    assert case.transmission.dc.limit_mw.tolist() == [7.0, 8.0]
    case = read_case(change(folder, at(f"{D1}.ratings_mva", {})))
    assert case.areas["D1"].network.branches.s_max_mva.tolist() == own.tolist()


@pytest.mark.parametrize(
    ("scheduled", "bought"), [(1.5, {"d1": 0.5}), (2, {}), (2.75, {"d3": 0.75}), (None, {})]
)
def test_scheduled_flow_is_held_by_shared_balancing(
    folder: Path, scheduled: float | None, bought: dict[str, float]
) -> None:
    case = read_case(change(folder, at(f"{D1}.scheduled_mw", scheduled)))
    cleared = clear_case(case, SCHEMES["shared-balancing"]).cleared
    assert {bid: mw for bid, market, mw in cleared if market == "dso_balancing"} == pytest.approx(bought)


@pytest.mark.parametrize(
    ("green", "sold"),
    [({"up": [12]}, "d2"), ({"up": [11], "down": [12]}, "d1"), ({}, "t1"), ({"up": [11, 11, 10]}, "d1")],
)
def test_static_zones_of_the_case_decide_who_may_sell(folder: Path, green: Spec, sold: str) -> None:
    case = read_case(change(folder, at(f"{D1}.green", green), at("options.grid_prequalification", "static")))
    cleared = clear_case(case, build_schemes(case.options.options)["central-02"]).cleared
    assert {bid: mw for bid, _, mw in cleared} == pytest.approx({sold: 1.0})


@pytest.mark.parametrize(
    ("units", "sold"),
    [
        ({}, "d2"),
        ({"d2": "none"}, "t1"),
        ({"d2": "down"}, "t1"),
        ({"d1": "both"}, "d1"),
        ({"d1": "up", "d2": "none"}, "d1"),
        ({"d1": "none", "d2": "both"}, "d2"),
    ],
)
def test_units_may_stand_otherwise_than_their_zone(folder: Path, units: Spec, sold: str) -> None:
    # d1 at bus 11 is the cheaper one; bus 12, where d2 is, is the only green one.
    green = {"up": [12], "units": units}
    case = read_case(change(folder, at(f"{D1}.green", green), at("options.grid_prequalification", "static")))
    cleared = clear_case(case, build_schemes(case.options.options)["central-02"]).cleared
    assert {bid: mw for bid, _, mw in cleared} == pytest.approx({sold: 1.0})


@pytest.mark.parametrize(
    ("units", "field", "problem"),
    [
        ([], "green.units", "is not an object"),
        ({"d1": "yes"}, "green.units.d1", "is 'yes'"),
        ({"d1": ["up"]}, "green.units.d1", "is ['up']"),
        ({"d7": "up"}, "green.units.d7", "has no bids in D1"),
        ({"t1": "up"}, "green.units.t1", "has no bids in D1"),
    ],
)
def test_units_of_a_study_that_make_no_sense_are_refused(
    folder: Path, units: Any, field: str, problem: str
) -> None:
    refused(change(folder, at(f"{D1}.green", {"units": units})), "case.json", f"{D1}.{field}", problem)


def forecast_spec(*edits: Edit) -> Spec:
    """Forecasts of both systems."""
    forecasts: Spec = {
        "dso_clear": {"D1": {"bus": [11, 12], "p_mw": [-0.25, -1.0], "q_mvar": [0.0, -0.1]}},
        "tso_clear": {"T": {"bus": [0, 1, 2], "p_mw": [2.0, -1.0, 0.0], "interface_mw": {"D1": 1.25}}},
    }
    for edit in edits:
        edit(forecasts)
    return forecasts


def test_forecasts_are_what_operators_see_at_their_gates(folder: Path) -> None:
    case = read_case(write_forecasts(folder, forecast_spec()))
    known = case.forecasts["dso_clear"].areas["D1"]
    assert known.forecast.p_mw.tolist() == [0.0, -0.25, -1.0]
    assert known.grid.flow_mw.tolist() == pytest.approx([1.25, 1.0])
    assert known.scheduled.expected_mw == pytest.approx(1.25)
    cleared = clear_case(
        case, SCHEMES["central-01"]
    )  # the TSO lacks 1.25 - (2 - 1) MW, not the 1 MW of the nets
    assert {bid: mw for bid, _, mw in cleared.cleared} == pytest.approx({"d1": 0.25})


def test_one_bus_may_be_listed_and_the_others_inject_nothing(folder: Path) -> None:
    case = read_case(
        write_forecasts(folder, forecast_spec(at(DSO, {"bus": [12], "p_mw": [-1], "q_mvar": [0]})))
    )
    assert case.forecasts["dso_clear"].areas["D1"].forecast.p_mw.tolist() == [0.0, 0.0, -1.0]


def test_a_forecast_without_a_power_flow_is_seen_by_the_linear_model(folder: Path) -> None:
    case = read_case(
        write_forecasts(
            change(folder, at("options.offset", "ac")), forecast_spec(at(f"{DSO}.p_mw", [-1e5, 0.0]))
        )
    )
    assert case.forecasts["dso_clear"].areas["D1"].grid.flow_mw.tolist() == pytest.approx([1e5, 0.0])
    assert np.isfinite(clear_case(case, SCHEMES["multilevel-03"]).cost_eur_per_h)


def faults(path: str, *values: Any, says: str = "", field: str = "") -> list[Any]:
    """Bad values at a path, which the message names (or `field`); it `says` so or repeats the value."""
    return [
        pytest.param(at(path, v), field or path, says.format(v) or written(v), id=f"{path}: {v!r:.20}")
        for v in values
    ]


def written(value: Any) -> str:
    """A value as a message has it; what is no number of JSON as the file has it."""
    return {"nan": "is NaN", "inf": "is Infinity"}.get(repr(value), repr(value))


NAN, INF = float("nan"), float("inf")
OBJECT, UNKNOWN, LISTS = "is not a JSON object", "is an unknown key", "no equally long lists"
RATINGS, GREEN, FLOWS = f"{D1}.ratings_mva", f"{D1}.green", f"{TSO}.interface_mw"
NO_BUSES: list[Any] = [99, "11", None, True, 11.5, [11], 10**30]


@pytest.mark.parametrize(
    ("edit", "field", "problem"),
    [
        *faults("options", [], None, 3, "ac", says=OBJECT),
        *faults("options.schem", "common", says=UNKNOWN),
        *faults("options.scheme", "nope", "all", "", 3, [], {}),
        *faults("options.grid_prequalification", "exact", None, ["static"]),
        *faults("options.aggregation", "fine", 1),
        *faults("options.pricing", "free", True),
        *faults("options.offset", "dc", None),
        *faults("options.aggregation_step_mw", -1, 0, "1", NAN, True, None),
        *faults("options.boundary_tolerance_mw", -0.5, INF, [1]),
        *faults("options.mol_rounds", 0, -1, 0.5, 1.5, 61, "6"),
        *faults("options.flow_margin", -0.1, NAN, {}, 1, 2),
        *faults("options.voltage_margin_pu", -1, 0.5, "0.01"),
        *faults("options.boundary_tolerance_mw", HUGE, says="is 1000"),
        *faults(f"{D1}.scheduled_mw", "2", True, NAN, [2]),
        *faults(f"{D1}.scheduled_mw", HUGE, says="is 1000"),
        *faults(RATINGS, [], None, 3, says="is not an object"),
        *faults(f"{RATINGS}.line 9", 1, says="no such branch"),
        *faults(f"{RATINGS}.line 0", NAN, INF, "1", None, True, -1),
        *faults(f"{RATINGS}.line 0", HUGE, says="is 1000"),
        *faults("transmission.ratings_mva.trafo 0", 1, says="no such branch"),
        *faults("transmission.ratings_mva.line 1", "x", -2),
        *faults("transmission.rating_mva", {}, says=UNKNOWN),
        *faults(GREEN, [], None, 3, True, says=OBJECT),
        *faults(f"{GREEN}.upp", [], says=UNKNOWN),
        *faults(f"{GREEN}.up", *([bus] for bus in NO_BUSES), says="does not exist"),
        *faults(f"{GREEN}.up", [11, NAN], says="is NaN", field=f"{GREEN}.up.1"),
        *faults(f"{GREEN}.down", [12, 13], says="bus 13 does not exist"),
        *faults(f"{GREEN}.up", 11, None, 1.5, "11", {"11": 1}, says="is not a list"),
        *faults("forecasts", None, 3, [], {}, "", says="not text"),
        *faults("name", ["little"], says="not text"),
    ],
)
def test_bad_values_of_the_case_file(folder: Path, edit: Edit, field: str, problem: str) -> None:
    refused(change(folder, edit), "case.json", field, problem)


@pytest.mark.parametrize(
    ("edit", "field", "problem"),
    [
        *faults("noon", {}, says=UNKNOWN),
        *faults("dso_clear", [], None, says=OBJECT),
        *faults("dso_clear.D9", {}, says=UNKNOWN),
        *faults(DSO, None, 3, [], says=OBJECT),
        *faults(TSO, {}, {"bus": [0], "interface_mw": {}}, says=LISTS),
        *faults(f"{DSO}.bus", ..., says=LISTS, field=DSO),
        *faults(f"{DSO}.p_mw", ..., [1.0], 3, "ab", None, {}, says=LISTS, field=DSO),
        *faults(f"{DSO}.q_mvar", ..., [0, 0, 0], says=LISTS, field=DSO),
        *faults(f"{DSO}.p_mw", [NAN, 0], says="is NaN", field=f"{DSO}.p_mw.0"),
        *faults(f"{DSO}.p_mw", [0, "1"], says="is '1'", field=DSO),
        *faults(f"{DSO}.q_mvar", [None, 0], says="is None", field=DSO),
        *faults(f"{DSO}.q_mvar", [True, 0], says="is True", field=DSO),
        *faults(f"{DSO}.p_mw", [HUGE, 0], says="is 1000", field=f"{DSO}.p_mw.0"),
        *faults(f"{DSO}.bus", [11, 99], says="bus 99"),
        *faults(f"{DSO}.bus", [11, -1], says="bus -1"),
        *faults(f"{DSO}.bus", [11, 11.7], says="bus 11.7"),
        *faults(f"{DSO}.bus", [11, "12"], says="is '12'", field=DSO),
        *faults(f"{DSO}.v_pu", [1, 1], says=UNKNOWN),
        *faults(f"{TSO}.q_mvar", [0, 0, 0], says=UNKNOWN),
        *faults(f"{TSO}.p_mw", [1.0], says=LISTS, field=TSO),
        *faults(FLOWS, ..., {}, says="is None", field=f"{FLOWS}.D1"),
        *faults(f"{FLOWS}.D1", NAN, "2", True, None),
        *faults(FLOWS, [2.0], None, 3, says=OBJECT),
        *faults(f"{FLOWS}.D7", 1, says=UNKNOWN),
    ],
)
def test_bad_forecasts(folder: Path, edit: Edit, field: str, problem: str) -> None:
    refused(write_forecasts(folder, forecast_spec(edit)), "forecasts.json", field, problem)


def test_forecasts_that_are_no_json_or_no_object(folder: Path) -> None:
    refused(write_forecasts(folder, []), "forecasts.json", "case", "is not a JSON object")
    (folder / "forecasts.json").write_text('{"dso_clear":\n {', encoding="utf-8")
    refused(folder, "forecasts.json", "line 2", "is not JSON")


def test_forecasts_that_do_not_exist(folder: Path) -> None:
    refused(change(folder, at("forecasts", "gone.json")), "gone.json", "forecasts", "does not exist")
