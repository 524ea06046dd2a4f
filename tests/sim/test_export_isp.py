"""One ISP's market taken out of a run, cleared again on its own: the same bids sell the same megawatts."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import pandas as pd
import pytest

from tandem_sim.experiments.cli import main
from tandem_sim.experiments.runs.run import run_scenario
from tandem_sim.grids.io.read import load_network
from tandem_sim.grids.io.write import save_network
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.power_flow.ac import PowerFlow
from tandem_sim.markets.cases.case import Case, read_case
from tandem_sim.markets.cases.clear import Outcome, clear_case
from tandem_sim.markets.schemes import build_schemes
from tests.experiments.cli.test_cli import refused, scenario_with
from tests.sim.conftest import HALF_HOURLY, HOURLY, small_scenario

Sold = dict[tuple[str, str], float]


@dataclass(frozen=True)
class Exported:
    """The case of one ISP, what was sold in the run, and what is sold when it is cleared again."""

    folder: Path
    case: Case
    recorded: Sold
    outcome: Outcome

    @property
    def again(self) -> Sold:
        return {(bid, market): mw for bid, market, mw in self.outcome.cleared}


Export = Callable[..., Exported]


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Hourly runs of the small scenario with one ISP exported, each made once; figures are not drawn."""
    made: dict[str, Exported] = {}

    def make(isp: int = 17, **overrides: Any) -> Exported:
        key = f"{isp} {sorted(overrides.items())}"
        if key not in made:
            out = tmp_path_factory.mktemp("export") / "run"
            run_scenario(small_scenario(**HOURLY | overrides), None, out, export_isp=isp, plots=False)
            case = read_case(out / "case")
            schemes = build_schemes(case.options.options)
            recorded = json.loads((out / "case" / "recorded.json").read_text(encoding="utf-8"))
            assert recorded["scheme"] == case.options.scheme
            sold = {(c["bid_id"], c["market"]): c["quantity_mw"] for c in recorded["cleared"]}
            outcome = clear_case(case, schemes[recorded["scheme"]])
            made[key] = Exported(out / "case", case, sold, outcome)
        return made[key]

    return make


def agree(exported: Exported) -> None:
    """The same bids in the same markets, to a milliwatt; what the automatic reserve called is no market's."""
    recorded = {key: mw for key, mw in exported.recorded.items() if key[1] != "afrr"}
    assert recorded
    assert exported.again.keys() == recorded.keys()
    assert exported.again == pytest.approx(recorded, rel=0.0, abs=1e-9)


@pytest.mark.parametrize(
    "overrides",
    [
        {"scheme": "hybrid"},
        {"scheme": "integrated"},
        {"scheme": "shared-balancing"},
        {"scheme": "aggregation"},
        {
            "scheme": "central-02",
            "grid_prequalification": "static",
            "flexibility_register": {"study": {"newcomers": [{"share": 0.5, "applied": "2016-04-01"}]}},
        },
        {
            "scheme": "multilevel-02",
            "flexibility_register": {"enabled": True},
            "reserve": {"enabled": True, "cycle_s": 60},
            "capacity": {"afrr_up_mw": 2.0, "afrr_down_mw": 2.0, "pool_minimum_mw": 0.05, "tick_mw": 0.01},
            "product": {"pool_minimum_mw": 0.02},
            "forwarding": {"amend": True},
        },
    ],
    ids=lambda overrides: overrides["scheme"],
)
def test_an_exported_isp_clears_as_it_did_in_the_run(export: Export, overrides: dict[str, str]) -> None:
    exported = export(**overrides, seed=1)
    agree(exported)
    assert exported.case.options.scheme == overrides["scheme"]
    assert exported.outcome.unserved_imbalance_mw == pytest.approx(0.0, abs=1e-6)


CONGESTED = 21  # the local market has some twenty bids relieve the feeder


@pytest.mark.parametrize(
    "overrides",
    [
        {"scheme": "multilevel-03"},
        {"scheme": "multilevel-02"},
        {"scheme": "multilevel-03", "dso": {"offset": "linear"}},
        {"scheme": "multilevel-03", "dso": {"envelope_check": "ac"}},
    ],
    ids=str,
)
def test_a_congested_isp_clears_as_it_did_in_the_run(export: Export, overrides: dict[str, Any]) -> None:
    exported = export(CONGESTED, **overrides)
    assert sum(market == "dso_market" for _, market in exported.recorded) > 10
    agree(exported)


def test_an_area_left_out_of_the_run_is_left_out_again(export: Export) -> None:
    exported = export(35, scheme="hybrid", mol_rounds=1, seed=6, **HALF_HOURLY)
    agree(exported)
    assert exported.outcome.left_out == ("D1",)


def test_an_isp_of_a_run_that_lost_messages_is_a_case_too(export: Export) -> None:
    """Lost messages are no part of a case, so more may be sold than in the run."""
    exported = export(CONGESTED, scheme="multilevel-03", messages={"loss": 0.3})
    assert exported.recorded
    assert exported.outcome.unserved_imbalance_mw >= 0.0


def test_what_the_case_of_an_isp_says(export: Export) -> None:
    exported = export(CONGESTED, scheme="multilevel-03")
    case, area = exported.case, exported.case.areas["D1"]
    scenario = small_scenario(scheme="multilevel-03")
    assert case.name == "small, seed 7, ISP 21"
    assert case.options.options == scenario.scheme_options
    assert (case.options.margins.flow, case.options.margins.voltage_pu) == (0.05, 0.002)
    assert area.network.branches.s_max_mva[area.network.branches.label.index("line 4")] == 0.25
    assert set(case.forecasts["dso_clear"].areas) == {"D1"}
    assert case.forecasts["dso_clear"].tso is None
    assert case.forecasts["tso_clear"].tso is not None
    assert {"D1", "T"} <= {
        row.split(",")[1] for row in (exported.folder / "bids.csv").read_text().split()[1:]
    }
    for scheme in build_schemes(case.options.options).values():  # and any other scheme may clear it
        entry = clear_case(case, scheme).as_dict(None)
        assert json.loads(json.dumps(entry, allow_nan=False)) == entry


@pytest.mark.parametrize(
    "overrides",
    [
        {"scheme": "multilevel-03"},
        {"scheme": "multilevel-02", "local_reactive": {"enabled": True}, "reserve": {"enabled": True}},
    ],
    ids=lambda overrides: overrides["scheme"],
)
def test_the_grids_as_delivered_have_the_flows_of_the_run(export: Export, overrides: dict[str, Any]) -> None:
    exported = export(CONGESTED, **overrides)
    grid = pd.read_parquet(exported.folder.parent / "grid.parquet").query(f"isp == {CONGESTED}")
    assert set(grid.system) == {"T", "D1"}
    for row in grid.itertuples():
        net = pp.from_json(str(exported.folder / "delivered" / f"{row.system}.json"))
        pp.runpp(net)
        supplied = net.res_ext_grid.p_mw.sum()
        lost = net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum() + net.res_shunt.p_mw.sum()
        assert supplied == pytest.approx(row.interface_mw, abs=1e-5)
        assert lost == pytest.approx(row.losses_mw, abs=1e-5)
        assert net.res_bus.vm_pu.min() == pytest.approx(row.vm_min_pu, abs=1e-6)
        assert abs(supplied) > 0.05
        assert lost > 1e-4


def test_a_power_flow_does_not_depend_on_the_state_before() -> None:
    """Operators of a run solve many states with one model, a case few: answers must not show it."""
    network = load_network("case69")
    p_mw, q_mvar = 0.2 * network.p_mw, 0.2 * network.q_mvar
    fresh, used = PowerFlow(network), PowerFlow(network)
    used.solve(p_mw - 9e-8, q_mvar)
    assert used.solve(p_mw, q_mvar).root_mw == pytest.approx(fresh.solve(p_mw, q_mvar).root_mw, abs=1e-10)


def test_nothing_but_the_state_injects_in_a_grid_that_is_written(tmp_path: Path) -> None:
    net = pp.create_empty_network()
    pp.create_buses(net, 3, vn_kv=20.0)
    pp.create_ext_grid(net, 0)
    for k in (0, 1):
        pp.create_line_from_parameters(net, k, k + 1, 1.0, 0.1, 0.2, 0.0, 1.0)
    pp.create_load(net, 1, p_mw=1.0, scaling=0.5)
    pp.create_sgen(net, 1, p_mw=0.3)
    pp.create_storage(net, 2, p_mw=0.1, max_e_mwh=1.0)
    pp.create_motor(net, 2, pn_mech_mw=0.5, cos_phi=0.9)
    pp.create_asymmetric_load(net, 2, p_a_mw=0.1, p_b_mw=0.1, p_c_mw=0.1)
    network = Network.from_pandapower(net)
    p_mw, q_mvar = np.array([0.0, -0.25, -0.5]), np.array([0.0, -0.1, 0.0])
    save_network(network, p_mw, q_mvar, tmp_path / "grid.json")
    again = load_network("grid.json", tmp_path)
    np.testing.assert_allclose([again.p_mw, again.q_mvar], [p_mw, q_mvar], atol=1e-12)


class SimulatedError(Exception):
    """A run has begun."""


def begin(monkeypatch: pytest.MonkeyPatch, scenario: Path, moment: str, *arguments: object) -> object:
    """The ISP that ``--export-isp`` makes of a moment, no run simulated; the exit code if it is refused."""

    def run_scenario(*_: Any, export_isp: int | None, **__: Any) -> None:
        raise SimulatedError(export_isp)

    monkeypatch.setattr("tandem_sim.experiments.commands.run.run_scenario", run_scenario)
    monkeypatch.setattr(
        sys, "argv", ["tandem", "run", *map(str, (scenario, *arguments)), f"--export-isp={moment}"]
    )
    with pytest.raises((SimulatedError, SystemExit)) as end:
        main()
    return end.value.code if isinstance(end.value, SystemExit) else f"ISP {end.value}"


SPRING, AUTUMN = "2016-03-27", "2016-10-30"  # days on which clocks change in Brussels


@pytest.mark.parametrize(
    ("start", "moment", "isp"),
    [
        ("2016-04-18", "2016-04-18T00:00", 0),
        ("2016-04-18", "2016-04-18 18:07:31", 72),
        ("2016-04-18", "2016-04-18T16:00Z", 72),
        ("2016-04-18", "2016-04-18T18:00+02:00", 72),
        ("2016-04-18", "2016-04-18T23:59", 95),
        (SPRING, "2016-03-27T03:00", 8),
        (SPRING, "2016-03-27T23:45", 91),
        (AUTUMN, "2016-10-30T02:30+02:00", 10),
        (AUTUMN, "2016-10-30T02:30+01:00", 14),
    ],
)
def test_moments_to_export(
    start: str, moment: str, isp: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = scenario_with(tmp_path, lambda data: data.update(start=start))
    assert begin(monkeypatch, path, moment, "--out", tmp_path / "out") == f"ISP {isp}"


@pytest.mark.parametrize(
    ("start", "moment"),
    [
        *(("2016-04-18", m) for m in ("garbage", "", "NaT", "now", "18", "18:00", "1e400", "9" * 30)),
        *(("2016-04-18", m) for m in ("2016-13-45", "2016-04-18T24:00", "2016-04-18T18:00+99:00")),
        *(("2016-04-18", m) for m in ("2016-04-17T23:59", "2016-04-19T00:00", "9999-12-31", "-1")),
        (SPRING, "2016-03-27T02:30"),  # clocks skip it
        (AUTUMN, "2016-10-30T02:30"),  # it comes twice
        ("2016-04-18", "0001-01-01"),
        ("2016-04-18", "2016-04-18T18:00 CET"),
    ],
)
def test_moments_that_name_no_isp_are_refused_before_anything_is_simulated(
    start: str,
    moment: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = scenario_with(tmp_path, lambda data: data.update(start=start))
    arguments = "--scheme", "common", "--scheme", "central-01", "--out", tmp_path / "out"
    assert begin(monkeypatch, path, moment, *arguments) == 2
    refused(capsys, 2, f"tandem: --export-isp: {moment}", "names no ISP", "Give a moment of the horizon")
    assert [p.name for p in tmp_path.iterdir()] == ["scenario.yaml"]
