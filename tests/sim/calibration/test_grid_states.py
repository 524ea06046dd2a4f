"""Power flows of the report on load, against ``pandapower.runpp`` on nets made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import pytest

from tandem_sim.experiments.scenario_tools.calibration_text import calibration_lines
from tandem_sim.grids.io.read import load_net
from tandem_sim.sim.calibration.grid_states import GridState, grid_states
from tandem_sim.sim.calibration.load import load_of
from tandem_sim.sim.model import FlexibilityModel
from tandem_sim.sim.scenario.scenario import Scenario
from tests.sim.conftest import small_scenario

UNITS = [
    {"name": "G1", "bus": 0, "p_max_mw": 332.4, "ramp_mw_per_isp": 50, "c1": 20},
    {"name": "G2", "bus": 1, "p_min_mw": 10, "p_max_mw": 140, "ramp_mw_per_isp": 30, "c1": 10},
]
"""G2 is cheaper: it runs at full power before G1 gives more than nothing."""


def states_of(folder: Path, scenario: Scenario) -> tuple[FlexibilityModel, dict[str, GridState]]:
    model = FlexibilityModel(scenario, None, folder)
    found = grid_states(model, load_of(model), scenario.units)
    return model, {f"{state.name} {state.moment}": state for state in found}


def with_units(**overrides: Any) -> Scenario:
    transmission = small_scenario().model_dump(mode="json")["transmission"] | {"units": UNITS}
    return small_scenario(**{"isp_minutes": 60, "transmission": transmission, **overrides})


@pytest.mark.parametrize("moment", ["peak", "lowest"])
def test_states_are_those_of_runpp(moment: str, tmp_path: Path) -> None:
    model, states = states_of(tmp_path, with_units())
    area, load = model.areas[0], load_of(model)
    ends = {
        f"{grid.name} {m}": end
        for grid in load.grids
        for m, end in (("peak", grid.peak), ("lowest", grid.low))
    }

    def feeder(name: str) -> Any:
        """case69 with the loads that households and others have at that time, solved."""
        end = ends[f"{name} {moment}"]
        p, q = area.injections(end.isp, end.sites.site_base_kw, end.sites.site_load_kw)
        net = load_net("case69")
        net.load = net.load.iloc[0:0]
        for bus, node in zip(area.network.bus_index, area.network.bus_node, strict=True):
            pp.create_load(net, int(bus), p_mw=-p[node], q_mvar=-q[node])
        pp.runpp(net, tolerance_mva=1e-10)
        return net

    net, found = feeder("D1"), states[f"D1 {moment}"]
    loading = 100.0 * net.res_line.i_ka[4] * np.sqrt(3.0) * net.bus.vn_kv.iloc[0] / 0.25  # rated 0.25 MVA
    assert found.worst is not None
    assert found.worst.label == "line 4"
    assert found.worst.percent == pytest.approx(loading, rel=1e-6)
    assert found.net_mw == pytest.approx(net.load.p_mw.sum())
    assert [b.label for b in found.overloaded] == (["line 4"] if loading > 100.0 else [])
    assert found.lowest is not None
    assert found.highest is not None
    vm = net.res_bus.vm_pu
    assert (found.lowest.bus, found.highest.bus) == (vm.idxmin(), vm.idxmax())
    assert (found.lowest.vm_pu, found.highest.vm_pu) == pytest.approx((vm.min(), vm.max()), abs=1e-8)
    assert found.outside == ()

    taken = feeder("T").res_ext_grid.iloc[0]
    end, found = ends[f"T {moment}"], states[f"T {moment}"]
    high = load_net("case14")
    scale = model.load_mw[end.isp].sum() / -high.load.p_mw.sum()
    high.load[["p_mw", "q_mvar"]] *= scale
    pp.create_load(high, 4, p_mw=taken.p_mw, q_mvar=taken.q_mvar)
    high.gen["p_mw"] = 0.0
    cheap = min(140.0, end.net_mw)  # the rest comes from G1, at the external grid
    pp.create_sgen(high, 1, p_mw=cheap)
    pp.runpp(high, calculate_voltage_angles=True, tolerance_mva=1e-10)
    assert found.lowest is not None
    assert found.lowest.vm_pu == pytest.approx(high.res_bus.vm_pu.min(), abs=1e-8)
    assert found.worst is None  # no branch of case14 has a rating
    assert found.missing_mw == 0.0


def test_what_breaks_a_limit_without_activation_is_pointed_out(tmp_path: Path) -> None:
    """A rating below the peak, and a load so large that voltages leave their band."""
    area = small_scenario().model_dump(mode="json")["distribution"][0]
    heavy = {**area, "load_scale": 1.8, "other_share": 1.0, "ratings_mva": {"line 4": 0.5, "line 0": 90.0}}
    scenario = with_units(distribution=[heavy], start="2016-01-18")
    model, states = states_of(tmp_path, scenario)
    peak = states["D1 peak"]
    assert [branch.label for branch in peak.overloaded] == ["line 4"]
    assert len(peak.outside) > 3
    assert min(bus.vm_pu for bus in peak.outside) == peak.outside[0].vm_pu < 0.9
    text = "\n".join(calibration_lines(model, scenario))
    assert (
        f"! D1 peak: branches overloaded without activation, 1: line 4 {peak.overloaded[0].percent:.1f} %"
        in text
    )
    assert f"! D1 peak: buses outside their voltage band without activation, {len(peak.outside)}: " in text
    assert ", ..." in text
    easy = with_units(distribution=[{**area, "ratings_mva": {}}])
    model = FlexibilityModel(easy, None, tmp_path / "easy")
    assert [line for line in calibration_lines(model, easy) if line.startswith("!")] == []


def test_a_power_flow_without_solution_and_missing_units_are_pointed_out(tmp_path: Path) -> None:
    area = small_scenario().model_dump(mode="json")["distribution"][0]
    scenario = with_units(distribution=[{**area, "load_scale": 30.0, "other_share": 1.0}])
    model, _ = states_of(tmp_path, scenario)
    assert "! D1 peak: the power flow has no solution" in calibration_lines(model, scenario)
    few = with_units()
    units = [{**UNITS[0], "p_max_mw": 1.0}, {**UNITS[1], "p_max_mw": 20.0}]
    transmission = few.model_dump(mode="json")["transmission"] | {"units": units}
    scenario = with_units(transmission=transmission)
    model, states = states_of(tmp_path / "few", scenario)
    peak = states["T peak"]
    assert peak.missing_mw == pytest.approx(peak.net_mw - 21.0)
    assert any("above the capacity of all units" in line for line in calibration_lines(model, scenario))
