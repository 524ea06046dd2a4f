"""Published grids: AC beside ``runpp``, DC beside ``rundcpp``, LinDistFlow beside a recursion; or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tandem_sim.grids.io.read import network_names
from tests.grids.walk import Row, grids, look, matpower_cases

QUICK = (
    "GBreducednetwork",  # phase shifts, no ratings
    "case11_iwamoto",  # runpp finds no solution
    "case30",
    "case33bw",
    "case89pegase",  # phase shifters, shunts with losses
    "create_cigre_network_lv",
    "create_cigre_network_mv",  # line charging, lines with an open end
    "create_kerber_landnetz_kabel_1",
    "example_multivoltage",  # three windings, an impedance, an extended ward
    "example_simple",  # a generator that holds its voltage, a shunt
    "ieee_european_lv_asymmetric",  # loads on single phases
    "mv_oberrhein",  # two external grids
    "simple_mv_open_ring_net",
)
MOST = {"ac_pu": 1e-7, "ac_mw": 1e-5, "ac_loading": 1e-3, "dc_mw": 1e-5, "lin_mw": 1e-9, "lin_w": 1e-9}
"""Newton's method stops at a mismatch of 1e-8 MVA, both here and there."""


def _agrees(row: Row) -> None:
    if row["refused"]:
        assert len(str(row["refused"])) > 20
        return
    assert row["ac"] in ("solved", "runpp finds no solution", "runpp finds no solution, Tandem does"), row
    assert ("ac_pu" in row) == (row["ac"] == "solved")
    assert "dc_mw" in row or "has no reactance" in str(row["dc_refused"]), row
    assert "lin" in row or str(row["lin_refused"]), row
    for column, most in MOST.items():
        assert float(row.get(column, 0.0)) <= most, (column, row)


@pytest.mark.parametrize("grid", QUICK)
def test_a_published_grid(grid: str) -> None:
    _agrees(look("pandapower.networks", grid))


def test_the_short_walk_sees_every_kind_of_answer() -> None:
    rows = {grid: look("pandapower.networks", grid) for grid in ("case33bw", "case89pegase", "case2848rte")}
    assert rows["case33bw"]["lin"] == "compared"
    assert "closes a loop" in str(rows["case89pegase"]["lin_refused"])
    assert "more than" in str(rows["case2848rte"]["refused"])


@pytest.mark.long("every network that comes with pandapower")
@pytest.mark.parametrize("grid", network_names())
def test_every_network_of_pandapower(grid: str) -> None:
    _agrees(look("pandapower.networks", grid))


@pytest.mark.long("SimBench takes 3 s a grid")
@pytest.mark.parametrize("grid", [name for source, name in grids() if source == "SimBench"])
def test_every_grid_of_simbench(grid: str) -> None:
    _agrees(look("SimBench", grid))


@pytest.mark.long("the cases of MATPOWER")
@pytest.mark.parametrize("case", matpower_cases(), ids=lambda path: path.stem)
def test_every_case_of_matpower(case: Path) -> None:
    _agrees(look("MATPOWER", str(case)))
