"""UCTE files made by hand. Right values: per-unit calculation from ohms, microsiemens and kilovolts."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandapower as pp
import pytest

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.io.read import load_net, load_network


def node(
    name: str,
    kind: int,
    voltage: object = "",
    load: tuple[object, object] = ("", ""),
    fed: tuple[object, object] = ("", ""),
) -> str:
    powers = " ".join(f"{value!s:>7}" for value in (*load, *fed))
    return f"{name:<8} {'':<12} 0 {kind} {voltage!s:>6} {powers}"


def line(start: str, end: str, r: float, x: float, b: float, amps: object, status: int = 0) -> str:
    return f"{start:<8} {end:<8} 1 {status} {r:6.3f} {x:6.2f} {b:8.2f} {amps!s:>6} {start.strip()[:5]}"


def transformer(start: str, end: str, kv: tuple[float, float], mva: float, r: float, x: float) -> str:
    rated = f"{kv[0]:5.1f} {kv[1]:5.1f} {mva:5.0f}"
    return f"{start:<8} {end:<8} 1 0 {rated} {r:6.3f} {x:6.2f} {0:8.2f} {0:6.2f}    800"


UCTE = "\n".join(
    [
        "##C 2007.05.01",
        "a grid of two voltages, by Müller",
        "##N",
        "##ZXX",
        node("XNORTH11", 3, 384.0, fed=(-100.0, 0.0)),
        node("XSOUTH11", 0, "", load=(60.0, 20.0)),
        "",
        node("XSOUTH21", 0, "", load=(30.0, 5.0), fed=(-10.0, -2.0)),
        node("XPLANT21", 2, 224.4, fed=(-25.0, 0.0)),
        "##L",
        line("XNORTH11", "XSOUTH11", 1.9, 20.0, 100.0, 1200),
        line("XSOUTH21", "XPLANT21", 0.5, 4.0, 0.0, ""),
        line("XNORTH11", "XSOUTH11", 1.9, 20.0, 100.0, 1200, status=8).replace(" 1 8", " 2 8"),
        "##T",
        transformer("XSOUTH11", "XSOUTH21", (380.0, 231.0), 300.0, 0.5, 30.0),
        "##R",
        "XSOUTH11 XSOUTH21 1  1.50 10  -2",
        "##E",
        "XX YY  100.0",
    ]
)


def test_lines_transformers_taps_and_powers(tmp_path: Path) -> None:
    (tmp_path / "grid.uct").write_bytes(UCTE.encode("latin-1"))
    network = load_network("grid.uct", tmp_path)
    names = load_net("grid.uct", tmp_path).bus.ucte_name
    at = {name: int(network.nodes_of(np.array([k]), "bus")[0]) for k, name in names.items()}
    p = {name: network.p_mw[k] for name, k in at.items()}
    assert p == pytest.approx({"XNORTH11": 0.0, "XSOUTH11": -60.0, "XSOUTH21": -20.0, "XPLANT21": 25.0})
    assert network.q_mvar[at["XSOUTH21"]] == pytest.approx(-3.0)
    assert network.root == at["XNORTH11"]
    assert network.root_vm_pu == pytest.approx(384.0 / 380.0)
    assert network.pv_node.tolist() == [at["XPLANT21"]]
    assert network.pv_vm_pu.tolist() == pytest.approx([224.4 / 220.0])
    b = network.branches
    assert len(b) == 3  # the line of status 8 is off
    ohm = 380.0**2 / network.base_mva
    first, trafo = b.label.index("line 0"), b.label.index("trafo 0")
    assert (b.r_pu[first], b.x_pu[first]) == pytest.approx((1.9 / ohm, 20.0 / ohm))
    assert b.b_pu[first] == pytest.approx(100e-6 * ohm)
    assert b.s_max_mva[first] == pytest.approx(np.sqrt(3) * 380.0 * 1.2)
    assert b.s_max_mva[b.label.index("line 1")] == np.inf
    # Winding 2 is regulated: 231 kV less two steps of 1.5 %, at a node of 220 kV; r + jx is at winding 1.
    ratio = 1 / (231.0 * (1 - 2 * 0.015) / 220.0)
    assert b.tap[trafo] == pytest.approx(ratio)
    assert (b.r_pu[trafo], b.x_pu[trafo]) == pytest.approx((0.5 / ohm / ratio**2, 30.0 / ohm / ratio**2))
    net = load_net("grid.uct", tmp_path)
    pp.runpp(net)
    assert net.converged


@pytest.mark.parametrize(
    ("old", "new", "where", "problem"),
    [
        ("60.0    20.0", "6O.0    20.0", "line 6, ##N active load", "'6O.0'"),
        ("60.0    20.0", "60.0        ", "line 6, ##N load", "only one of active and reactive"),
        ("XSOUTH21              0 0", "XSOUTH-1              0 0", "line 8, ##N node", "'XSOUTH-1'"),
        ("XPLANT21              0 2", "XPLANT21              0 1", "line 9, ##N node type", "is 1"),
        (" 224.4", "      ", "line 9, ##N voltage", "is missing"),
        ("XSOUTH21 XPLANT21", "XSOUTH21 XNOWHE21", "line 12, ##L node", "'XNOWHE21' is not among"),
        (
            "XPLANT21              0 2",
            "XSOUTH21              0 2",
            "line 9, ##N node",
            "stands in line 8 too",
        ),
        (" 2 8  1.900", " 1 8  1.900", "line 13, ##L order code", "line 11 too"),
        (" 2 8  1.900", " 2 1  1.900", "line 13, ##L susceptance", "wrong unit"),
        ("380.0 231.0", "380.0   0.0", "line 15, ##T rated voltage 2", "is 0"),
        ("380.0 231.0   300", "380.0 231.0      ", "line 15, ##T nominal power", "is blank"),
        (
            "XSOUTH11 XSOUTH21 1  1.50",
            "XSOUTH11 XSOUTH21 2  1.50",
            "line 17, ##R order code",
            "no transformer",
        ),
        ("##E", "##X", "line 18", "'X' that is not known"),
        ("##C 2007.05.01", "2007", "line 1", "before the first section"),
    ],
)
def test_a_fault_is_named_by_line_and_column(
    old: str, new: str, where: str, problem: str, tmp_path: Path
) -> None:
    assert UCTE.count(old) == 1
    (tmp_path / "bad.uct").write_bytes(UCTE.replace(old, new).encode("latin-1"))
    with pytest.raises(InputError) as error:
        load_net("bad.uct", tmp_path)
    assert error.value.field == where
    assert problem in error.value.problem
    assert "\n" not in str(error.value)


def test_a_transformer_that_would_lose_its_ratio_is_refused(tmp_path: Path) -> None:
    text = UCTE.replace(
        "##R", transformer("XNORTH11", "XSOUTH11", (400.0, 380.0), 300.0, 0.5, 30.0) + "\n##R"
    )
    (tmp_path / "bad.uct").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="makes an impedance of it"):
        load_net("bad.uct", tmp_path)


@pytest.mark.parametrize("data", [b"", b"\xe9\xff\0\n", b"##C\nno nodes\n##L\n"])
def test_a_file_without_nodes_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.uct").write_bytes(data)
    with pytest.raises(InputError) as error:
        load_net("bad.uct", tmp_path)
    assert "\n" not in str(error.value)


def test_special_descriptions_of_transformers_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = UCTE.replace("##E", "##TT\nXSOUTH11 XSOUTH21 1   -2   0.5   30.0\n##E")
    (tmp_path / "grid.uct").write_bytes(text.encode("latin-1"))
    with caplog.at_level(logging.WARNING):
        load_net("grid.uct", tmp_path)
    assert "1 rows of ##TT" in caplog.text
