"""Loading of every branch, voltage of every bus, power of every class of devices."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandapower as pp
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tandem_sim.agents.households.fleet import FleetStep
from tandem_sim.experiments.runs.run import _export
from tandem_sim.grids.io.read import load_net
from tandem_sim.grids.power_flow.ac import PowerFlow, _diverged
from tandem_sim.sim.model import FlexibilityModel
from tandem_sim.sim.output.tables import FIXED, UNNEEDED
from tandem_sim.sim.run import run
from tests.sim.conftest import HALF_HOURLY, HOURLY, small_scenario, table

Runs = Callable[..., Path]
ISP = 19
RATED: dict[str, Any] = {
    **HOURLY,
    "distribution.0.ratings_mva": {"line 4": 0.25, "line 30": 0.1, "line 60": 0.05},
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day with the grids of one ISP as delivered."""
    scenario, out = small_scenario(**RATED), tmp_path_factory.mktemp("exported")
    run(scenario, None, out, observers=[_export(scenario, ISP, out / "case")])
    return out


@pytest.mark.parametrize("system", ["D1", "T"])
def test_loading_and_voltage_are_those_of_pandapower(exported: Path, system: str) -> None:
    """The delivered injections, solved by ``pandapower.runpp``: its own loading_percent and vm_pu."""
    net = pp.from_json(str(exported / "case" / "delivered" / f"{system}.json"))
    grid = load_net({"D1": "case69", "T": "case14"}[system])
    pp.runpp(net, calculate_voltage_angles=True, tolerance_mva=1e-8, numba=False)
    voltage = table(exported, "bus_voltage").query("isp == @ISP and system == @system").set_index("bus")
    assert voltage.index.tolist() == grid.bus.index.tolist()
    np.testing.assert_allclose(voltage.vm_pu, net.res_bus.vm_pu.loc[voltage.index], atol=1e-6)
    assert voltage.base_vm_pu.isna().all() == (system == "T")
    if system == "T":
        return
    loading = table(exported, "branch_loading").query("isp == @ISP and system == @system")
    branches = table(exported, "branches").query("system == @system").set_index("branch")
    element = branches.element.loc[loading.branch]
    assert element.tolist() == ["line 4", "line 30", "line 60"]
    lines = [int(name.split()[1]) for name in element]
    assert branches.from_bus.loc[loading.branch].tolist() == net.line.from_bus.loc[lines].tolist()
    assert branches.to_bus.loc[loading.branch].tolist() == net.line.to_bus.loc[lines].tolist()
    rating = np.sqrt(3.0) * 12.66 * net.res_line.i_ka.loc[lines]  # MVA at the current of the line
    expected = 100.0 * rating.to_numpy() / np.array([0.25, 0.1, 0.05])
    np.testing.assert_allclose(loading.loading_pct, expected, rtol=1e-5)
    assert (loading.base_loading_pct != loading.loading_pct).any()


def test_the_worst_values_are_those_of_the_table_of_grids(small_run: Runs) -> None:
    folder = small_run(**RATED)
    grid = table(folder, "grid").query("system == 'D1'").set_index("isp")
    loading = table(folder, "branch_loading").query("system == 'D1'").groupby("isp").loading_pct.max()
    base = table(folder, "branch_loading").query("system == 'D1'").groupby("isp").base_loading_pct.max()
    voltage = table(folder, "bus_voltage").groupby(["system", "isp"]).vm_pu
    np.testing.assert_allclose(loading, grid.max_loading_pct, rtol=1e-6)
    np.testing.assert_allclose((base - 100).clip(lower=0), grid.base_max_overload_pct, atol=1e-4)
    np.testing.assert_allclose(voltage.min()["D1"], grid.vm_min_pu, rtol=1e-6)
    both = table(folder, "grid").set_index(["system", "isp"]).vm_max_pu
    np.testing.assert_allclose(voltage.max(), both.loc[voltage.max().index], rtol=1e-6)


def test_a_branch_without_a_rating_is_listed_and_has_no_loading(small_run: Runs) -> None:
    folder = small_run(**RATED)
    branches = table(folder, "branches")
    rated = branches[branches.rating_mva.notna()]
    assert len(branches[branches.system == "D1"]) == 68
    assert rated.set_index("element").rating_mva.to_dict() == {
        "line 4": 0.25,
        "line 30": 0.1,
        "line 60": 0.05,
    }
    places = table(folder, "branch_loading")[["system", "branch"]].drop_duplicates()
    assert places.to_numpy().tolist() == rated[["system", "branch"]].to_numpy().tolist()


def test_buses_have_the_coordinates_of_the_net(small_run: Runs) -> None:
    buses = table(small_run(**RATED), "buses")
    t = buses[buses.system == "T"].set_index("bus")
    net = load_net("case14")
    points = [json.loads(point)["coordinates"] for point in net.bus.geo]
    np.testing.assert_array_equal(t[["x", "y"]].to_numpy(), np.array(points))
    assert t.name.tolist() == [str(name) for name in net.bus.name]
    d = buses[buses.system == "D1"]
    assert d.x.isna().all()
    assert (d.vn_kv == 12.66).all()
    bids = table(small_run(**RATED), "bids").query("system == 'D1'")
    assert set(bids.node) <= set(d.node)


def test_a_state_without_a_solution_is_empty_rows(tmp_path: Path) -> None:
    solve, calls = PowerFlow.solve, [0]

    def failing(self: PowerFlow, *injections: Any) -> Any:
        calls[0] += self.network.name == "case69"
        if calls[0] == 3 and self.network.name == "case69":
            return _diverged(self.network)
        return solve(self, *injections)

    with patch.object(PowerFlow, "solve", failing):
        run(small_scenario(**RATED), None, tmp_path)
    grid = table(tmp_path, "grid").query("system == 'D1'")
    bad = grid[~(grid.converged & grid.base_converged.astype(bool))].isp.tolist()
    assert len(bad) == 1
    loading = table(tmp_path, "branch_loading").query("system == 'D1'")
    assert (loading.groupby("isp").size() == 3).all()
    empty = loading[loading.loading_pct.isna() | loading.base_loading_pct.isna()]
    assert empty.isp.unique().tolist() == bad
    assert len(empty) == 3


def test_power_by_class_adds_up_to_that_of_the_households(tmp_path: Path) -> None:
    seen: dict[int, FleetStep] = {}
    record = FlexibilityModel.deliver

    def watched(model: FlexibilityModel, isp: int) -> None:
        deliver = model.fleet_agent.deliver

        def kept(at: int) -> FleetStep:
            seen[at] = deliver(at)
            return seen[at]

        with patch.object(model.fleet_agent, "deliver", kept):
            record(model, isp)

    with patch.object(FlexibilityModel, "deliver", watched):
        run(small_scenario(**HALF_HOURLY), None, tmp_path)
    devices = table(tmp_path, "devices")
    assert devices.device.tolist() == ["load", "pv", "battery", "ev", "heat_pump"] * 48
    for isp, rows in devices.groupby("isp"):
        step = seen[int(str(isp))]
        assert rows.p_mw.sum() == pytest.approx(step.site_p_kw.sum() / 1000.0, abs=1e-12)
        assert rows.base_mw.sum() == pytest.approx(step.site_base_kw.sum() / 1000.0, abs=1e-12)
        by_class = rows.set_index("device")
        assert by_class.p_mw["load"] == pytest.approx(step.site_load_kw.sum() / 1000.0, abs=1e-12)
        assert by_class.base_mw["pv"] >= 0.0 >= by_class.base_mw["ev"]
        shed = 1000.0 * (by_class.base_mw["pv"] - by_class.p_mw["pv"])
        assert shed == pytest.approx(step.curtailed_kw, abs=1e-9)
    system = table(tmp_path, "system")
    ev = devices[devices.device == "ev"].p_mw.to_numpy() * 0.5
    np.testing.assert_allclose(-ev, system.ev_charged_mwh, atol=1e-9)


def test_left_out_and_thinned_tables_change_no_other(small_run: Runs, tmp_path: Path) -> None:
    whole = small_run(**RATED)
    settings: dict[str, Any] = {"output.leave_out": ["devices", "capacity_bids"], "output.every_isps": 5}
    run(small_scenario(**RATED, **settings), None, tmp_path)
    for path in sorted(whole.glob("*.parquet")):
        if path.stem in ("devices", "capacity_bids"):
            assert not (tmp_path / path.name).exists()
        elif path.stem in ("branch_loading", "bus_voltage"):
            kept = table(whole, path.stem).query("isp % 5 == 0").reset_index(drop=True)
            assert len(kept)
            pd.testing.assert_frame_equal(table(tmp_path, path.stem), kept, check_exact=True)
        else:
            assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.stem


def test_everything_that_may_be_left_out_can_be(tmp_path: Path) -> None:
    run(small_scenario(**HOURLY, **{"output.leave_out": list(UNNEEDED)}), None, tmp_path)
    there = {path.stem for path in tmp_path.glob("*.parquet")}
    assert not there & set(UNNEEDED)
    assert set(FIXED) <= there


def test_numbers_of_32_bits_are_stored_as_such(small_run: Runs) -> None:
    schema = pq.read_schema(small_run(**RATED) / "branch_loading.parquet")
    assert str(schema.field("loading_pct").type) == "float"
    assert schema.field("loading_pct").metadata[b"unit"] == b"%"
