"""pandapower JSON of earlier versions, with numbers of numpy, and of SimBench.

Right values: units and formulas of those versions by hand, nets of pandapower, and the tables of SimBench.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import pandapower.networks as pn
import pandas as pd
import pytest
import simbench
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.io.read import load_net, load_network, network_names
from tests.nets import empty_net


def columns(rows: dict[str, list[Any]]) -> dict[str, dict[str, Any]]:
    """A table as pandapower 1 wrote it: column, index, value."""
    return {name: {str(k): v for k, v in enumerate(values)} for name, values in rows.items()}


VERSION_1: dict[str, Any] = {
    "version": 1.2,
    "name": "of 2017",
    "f_hz": 50.0,
    "bus": columns(
        {
            "name": ["HV", "MV", "end"],
            "vn_kv": [110.0, 20.0, 20.0],
            "type": ["b", "b", "b"],
            "zone": [None, None, None],
            "in_service": [True, True, True],
        }
    ),
    "ext_grid": columns(
        {"name": [None], "bus": [0], "vm_pu": [1.02], "va_degree": [0.0], "in_service": [True]}
    ),
    "load": columns(
        {
            "name": [None],
            "bus": [2],
            "p_kw": [1500.0],
            "q_kvar": [300.0],
            "const_z_percent": [0.0],
            "const_i_percent": [0.0],
            "sn_kva": [None],
            "scaling": [1.0],
            "in_service": [True],
            "type": [None],
        }
    ),
    "sgen": columns(
        {
            "name": [None],
            "bus": [1],
            "p_kw": [-400.0],
            "q_kvar": [50.0],
            "sn_kva": [None],
            "scaling": [1.0],
            "in_service": [True],
            "type": ["PV"],
        }
    ),
    "gen": columns({"bus": [], "p_kw": [], "vm_pu": [], "sn_kva": [], "scaling": [], "in_service": []}),
    "line": columns(
        {
            "name": [None],
            "std_type": [None],
            "from_bus": [1],
            "to_bus": [2],
            "length_km": [2.0],
            "r_ohm_per_km": [0.2],
            "x_ohm_per_km": [0.1],
            "c_nf_per_km": [0.0],
            "imax_ka": [0.2],
            "df": [1.0],
            "parallel": [1],
            "type": [None],
            "in_service": [True],
        }
    ),
    "trafo": columns(
        {
            "name": [None],
            "std_type": [None],
            "hv_bus": [0],
            "lv_bus": [1],
            "sn_kva": [25000.0],
            "vn_hv_kv": [110.0],
            "vn_lv_kv": [20.0],
            "vsc_percent": [12.0],
            "vscr_percent": [0.4],
            "pfe_kw": [14.0],
            "i0_percent": [0.07],
            "shift_degree": [150.0],
            "tp_side": ["hv"],
            "tp_mid": [0],
            "tp_min": [-9],
            "tp_max": [9],
            "tp_st_percent": [1.5],
            "tp_st_degree": [0.0],
            "tp_pos": [-2],
            "tp_phase_shifter": [False],
            "parallel": [1],
            "df": [1.0],
            "in_service": [True],
        }
    ),
    "std_types": {"line": {"NAYY": {"imax_ka": 0.27}}, "trafo": {"T": {"vsc_percent": 4.0}}, "trafo3w": {}},
}


def test_a_net_of_version_1_in_kilowatts(tmp_path: Path) -> None:
    """Units, signs of generation and names of columns of version 1, by hand."""
    (tmp_path / "old.json").write_text(json.dumps(VERSION_1))
    network = load_network("old.json", tmp_path)
    node = network.nodes_of(np.array([0, 1, 2]), "bus")
    np.testing.assert_allclose(network.p_mw[node], [0.0, 0.4, -1.5])
    np.testing.assert_allclose(network.q_mvar[node], [0.0, -0.05, -0.3])
    assert network.root_vm_pu == 1.02
    line, trafo = (network.branches.label.index(label) for label in ("line 0", "trafo 0"))
    assert network.branches.r_pu[line] == pytest.approx(0.4 / 20.0**2 * network.base_mva)
    assert network.branches.s_max_mva[line] == pytest.approx(np.sqrt(3) * 20 * 0.2)
    assert network.branches.s_max_mva[trafo] == pytest.approx(25.0)
    assert network.branches.tap[trafo] == pytest.approx(1 - 2 * 1.5 / 100)
    net = load_net("old.json", tmp_path)
    assert net.std_types["trafo"]["T"]["vk_percent"] == 4.0
    pp.runpp(net)
    assert net.converged


def test_costs_that_pandapower_does_not_convert_are_refused(tmp_path: Path) -> None:
    old = {**VERSION_1, "piecewise_linear_cost": columns({"element": [0], "p": [[0, 1]]})}
    (tmp_path / "old.json").write_text(json.dumps(old))
    with pytest.raises(InputError, match="pandapower cannot read it") as error:
        load_net("old.json", tmp_path)
    assert error.value.source == str(tmp_path / "old.json")


def of_version_2(net: pandapowerNet, folder: Path, change: Callable[[pandapowerNet], None]) -> Path:
    """The net as pandapower 2.14 wrote it: a flag for phase shifters, places in tables of their own."""
    for name in ("trafo", "trafo3w"):
        net[name] = net[name].drop(columns=["tap_changer_type", "tap_dependency_table"], errors="ignore")
        net[name]["tap_phase_shifter"] = False
    change(net)
    for name in ("bus", "line"):
        net[name] = net[name].drop(columns="geo", errors="ignore")
    net["bus_geodata"] = pd.DataFrame({"x": [0.0], "y": [1.0], "coords": [None]}, index=[net.bus.index[0]])
    net["line_geodata"] = pd.DataFrame({"coords": [[[0.0, 0.0], [1.0, 1.0]]]}, index=[net.line.index[0]])
    net["version"], net["format_version"] = "2.14.1", "2.14.0"
    pp.to_json(net, str(folder / "old.json"))
    return folder / "old.json"


def two_sided() -> pandapowerNet:
    """A transformer in a loop with a line, so that a shift of its angle moves power."""
    net = empty_net()
    pp.create_buses(net, 3, vn_kv=110.0)
    pp.create_ext_grid(net, 0)
    for start, end in ((0, 1), (0, 2)):
        pp.create_line_from_parameters(net, start, end, 20.0, 0.1, 0.4, 0.0, max_i_ka=0.5)
    pp.create_transformer_from_parameters(
        net,
        1,
        2,
        sn_mva=100.0,
        vn_hv_kv=110.0,
        vn_lv_kv=110.0,
        vkr_percent=0.3,
        vk_percent=10.0,
        pfe_kw=0.0,
        i0_percent=0.0,
        tap_side="hv",
        tap_neutral=0,
        tap_min=-9,
        tap_max=9,
        tap_pos=3,
        tap_step_percent=1.25,
        tap_step_degree=0.0,
        tap_changer_type="Ratio",
    )
    pp.create_load(net, 2, p_mw=30.0, q_mvar=5.0)
    return net


@pytest.mark.parametrize(
    ("flag", "percent", "degree", "tap", "shift_degree"),
    [
        (False, 1.25, 0.0, 1.0375, 0.0),
        (False, 1.25, np.nan, 1.0375, 0.0),
        (False, 1.25, 90.0, np.hypot(1, 0.0375), np.rad2deg(np.arctan(0.0375))),
        (False, 1.25, 60.0, abs(1 + 0.0375 * np.exp(1j * np.pi / 3)), None),
        (False, 0.0, 2.0, 1.0, 0.0),
        (False, np.nan, 2.0, 1.0, 0.0),
        (True, 0.0, 2.0, 1.0, 6.0),
        (True, np.nan, 2.0, 1.0, 6.0),
        (True, 1.25, 0.0, 1.0, 2 * np.rad2deg(np.arcsin(0.0375 / 2))),
        (True, 1.25, np.nan, 1.0, 2 * np.rad2deg(np.arcsin(0.0375 / 2))),
    ],
)
def test_taps_of_version_2_do_what_they_did(
    flag: bool, percent: float, degree: float, tap: float, shift_degree: float | None, tmp_path: Path
) -> None:
    """Three steps of the formulas in the documentation of pandapower 2.14, transformers: tap changers.

    A ratio adds steps of ``tap_step_percent`` to the voltage, at the angle of ``tap_step_degree``; an ideal
    phase shifter turns it by steps of ``tap_step_degree``, or of a chord of ``tap_step_percent``.
    """

    def change(net: pandapowerNet) -> None:
        net.trafo["tap_phase_shifter"] = flag
        net.trafo[["tap_step_percent", "tap_step_degree"]] = percent, degree

    network = load_network(str(of_version_2(two_sided(), tmp_path, change)))
    at = network.branches.label.index("trafo 0")
    assert network.branches.tap[at] == pytest.approx(tap, rel=1e-12)
    turned = (
        np.rad2deg(np.angle(1 + 0.0375 * np.exp(1j * np.pi / 3))) if shift_degree is None else shift_degree
    )
    assert np.rad2deg(network.branches.shift_rad[at]) == pytest.approx(turned, rel=1e-12)


def test_what_has_been_renamed_since_version_2(tmp_path: Path) -> None:
    def change(net: pandapowerNet) -> None:
        net.load = net.load.drop(columns=["const_z_q_percent", "const_i_q_percent"]).rename(
            columns={"const_z_p_percent": "const_z_percent", "const_i_p_percent": "const_i_percent"}
        )
        net.load["const_z_percent"] = 40.0

    net = load_net(str(of_version_2(two_sided(), tmp_path, change)))
    assert net.load.const_z_q_percent.tolist() == [40.0]
    assert net.load.const_z_p_percent.tolist() == [40.0]
    assert "bus_geodata" not in net
    assert json.loads(net.bus.geo.iloc[0])["coordinates"] == [0.0, 1.0]


def test_a_net_of_a_later_version_is_refused(tmp_path: Path) -> None:
    net = two_sided()
    net["version"], net["format_version"] = "9.0.0", "9.0.0"
    pp.to_json(net, str(tmp_path / "new.json"))
    with pytest.raises(InputError, match="newer than the current pandapower"):
        load_net("new.json", tmp_path)


@pytest.mark.parametrize(
    "number",
    [
        np.float64(12.5),
        np.float32(12.5),
        np.int64(12),
        np.uint8(12),
        np.bool_(True),
        np.bool_(False),
        12.5,
        12,
    ],
)
def test_numbers_of_numpy_are_plain_numbers(number: Any, tmp_path: Path) -> None:
    net = two_sided()
    base = 12.5 if isinstance(number, bool | np.bool_) else number
    net["sn_mva"] = base
    net["user"] = {"inner": [number, (number,)]}
    net.std_types["line"]["own"] = {"max_i_ka": number}
    net.load["note"] = pd.Series([number], dtype=object)
    pp.to_json(net, str(tmp_path / "net.json"))
    found = load_net("net.json", tmp_path)
    for value in (
        found.user["inner"][0],
        found.user["inner"][1][0],
        found.std_types["line"]["own"]["max_i_ka"],
    ):
        assert value == number
        assert type(value) in (float, int, bool)
    assert found.sn_mva == base
    assert found.load.note.iloc[0] == number
    assert load_network("net.json", tmp_path).base_mva == float(found.sn_mva)


def test_a_number_of_numpy_that_is_none_is_refused(tmp_path: Path) -> None:
    pp.to_json(two_sided(), str(tmp_path / "net.json"))
    tree = json.loads((tmp_path / "net.json").read_text())
    tree["_object"]["sn_mva"] = {"_module": "numpy", "_class": "float64", "_object": "/etc/passwd"}
    (tmp_path / "net.json").write_text(json.dumps(tree))
    with pytest.raises(InputError, match="could not convert string to float"):
        load_net("net.json", tmp_path)


def same(found: pandapowerNet, expected: pandapowerNet) -> None:
    """Every table that is no result has the same numbers."""
    for key, value in expected.items():
        if isinstance(value, pd.DataFrame) and not key.startswith("_"):
            pd.testing.assert_frame_equal(
                found[key].sort_index(),
                value.sort_index(),
                check_dtype=False,
                check_like=True,
                rtol=1e-13,
                obj=key,
            )
        elif isinstance(value, float | int | str):
            assert found[key] == value, key


SMALL = {"case9", "case14", "case30", "create_cigre_network_mv", "example_multivoltage", "mv_oberrhein"}


@pytest.mark.filterwarnings("ignore:Mismatched null-like values:FutureWarning")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in SMALL else pytest.mark.long("Every net takes a second"))
        for name in network_names()
    ],
)
def test_a_published_net_is_the_same_through_a_file(name: str, tmp_path: Path) -> None:
    net = getattr(pn, name)()
    pp.to_json(net, str(tmp_path / "net.json"))
    same(load_net("net.json", tmp_path), net)


def simbench_taps(code: str) -> dict[str, float]:
    """Ratio of the transformers of a SimBench grid by its tables: 1 + (tappos - tapNeutr) dVm / 100."""
    folder = next(
        (Path(simbench.__file__).parent / "networks").glob(f"1-complete_data-mixed-all-{code[-4]}-sw")
    )

    def rows(name: str) -> list[dict[str, str]]:
        with (folder / f"{name}.csv").open(encoding="utf-8") as file:
            return list(csv.DictReader(file, delimiter=";"))

    kinds = {row["id"]: row for row in rows("TransformerType")}
    found = {}
    for row in rows("Transformer"):
        kind = kinds[row["type"]]
        assert kind["tapside"] == "HV"
        steps = float(row["tappos"]) - float(kind["tapNeutr"])
        found[row["id"]] = 1 + steps * float(kind["dVm"]) / 100
    return found


@pytest.mark.parametrize("through_a_file", [False, True])
@pytest.mark.parametrize(
    "code",
    [
        "1-MV-urban--0-sw",
        pytest.param("1-LV-rural1--2-sw", marks=pytest.mark.long("SimBench takes 3 s to read a grid")),
        pytest.param("1-HVMV-mixed-all-1-no_sw", marks=pytest.mark.long("SimBench takes 3 s to read a grid")),
    ],
)
def test_taps_of_simbench_change_the_ratio(code: str, through_a_file: bool, tmp_path: Path) -> None:
    taps = simbench_taps(code.replace("-no_sw", "-sw"))
    source = code
    if through_a_file:
        pp.to_json(simbench.get_simbench_net(code), str(tmp_path / "sb.json"))
        source = str(tmp_path / "sb.json")
    net = load_net(source)
    expected = np.array([taps[name] for name in net.trafo.name])
    assert (expected != 1).any()
    net.trafo["shift_degree"] = 0.0
    pp.runpp(net, init="flat")
    ratio = np.abs(net._ppc["branch"][slice(*net._pd2ppc_lookups["branch"]["trafo"]), 8])
    rated = net.trafo.vn_hv_kv / net.bus.vn_kv.loc[net.trafo.hv_bus].to_numpy()
    rated /= net.trafo.vn_lv_kv / net.bus.vn_kv.loc[net.trafo.lv_bus].to_numpy()
    np.testing.assert_allclose(ratio, expected * rated, rtol=1e-9)


def test_taps_of_other_nets_are_what_pandapower_makes_of_them(tmp_path: Path) -> None:
    """pandapower 3 ignores a position without ``tap_changer_type``; so does Tandem if nothing says more."""
    net = pn.create_cigre_network_lv()
    pp.to_json(net, str(tmp_path / "net.json"))
    assert load_net("net.json", tmp_path).trafo.tap_changer_type.isna().all()
