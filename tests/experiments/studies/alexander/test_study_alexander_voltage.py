"""The voltage-bound cases of the ALEXANDER study: voltages beside pandapower, theorems, current files."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandapower
import pandas as pd
import pytest

from tandem_sim.experiments.studies.alexander.cases import (
    FEEDERS,
    KINDS,
    SHARED,
    VOLTAGE_BOUND,
    generate,
)
from tandem_sim.experiments.studies.alexander.study import VOLTAGE_RESULTS, VOLTAGE_TABLES
from tandem_sim.experiments.studies.alexander.tables import usable
from tandem_sim.experiments.studies.alexander.trials import run_setting, scheme_of
from tandem_sim.experiments.studies.alexander.voltage import (
    STEPS,
    VOLTAGE,
    voltage_tables,
    with_base_states,
)
from tandem_sim.grids.io.read import load_network
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.cases.case import CaseArea
from tandem_sim.markets.cases.clear import clear_case

DOCS = Path(__file__).resolve().parents[4] / "docs" / "studies"
SEED = 3  # its base state has buses outside their band, and the blind scheme puts more there
SAFE = ("multilevel-03", "multilevel-04", "aggregation", "aggregation/exact", "common")


@cache
def _results() -> pd.DataFrame:
    setting = replace(VOLTAGE, schemes=(*SAFE, "multilevel-01"))
    return with_base_states(run_setting(setting, [SEED])[0], setting)


@cache
def _committed() -> pd.DataFrame:
    return pd.read_csv(DOCS / VOLTAGE_RESULTS)


def _runpp(grid: str, root_vm_pu: float, extra_mw: FloatArray | None = None) -> FloatArray:
    """Voltages of a feeder by pandapower, `extra_mw` (N,) injected beside the loads of its data."""
    network = load_network(grid)
    net = deepcopy(network.net)
    net.ext_grid["vm_pu"] = root_vm_pu
    if extra_mw is not None:
        for bus, node in zip(network.bus_index, network.bus_node, strict=True):
            pandapower.create_sgen(net, int(bus), p_mw=float(extra_mw[node]))
    pandapower.runpp(net, numba=False, lightsim2grid=False)
    return np.asarray(net.res_bus.vm_pu, dtype=np.float64)


def _outside(grid: str, area: CaseArea, dp_mw: FloatArray) -> int:
    """Buses outside the band after a change of injections (N,), by pandapower."""
    extra = area.network.p_mw + dp_mw - load_network(grid).p_mw
    vm_pu = _runpp(grid, VOLTAGE_BOUND.root_vm_pu, extra)
    low, high = VOLTAGE_BOUND.vm_min_pu * (1 - 1e-6), VOLTAGE_BOUND.vm_max_pu * (1 + 1e-6)
    return int(((vm_pu < low) | (vm_pu > high)).sum())


def test_a_lower_set_point_would_not_hold_the_band_at_full_load() -> None:
    assert _runpp("case69", VOLTAGE_BOUND.root_vm_pu).min() > VOLTAGE_BOUND.vm_min_pu
    assert _runpp("case69", VOLTAGE_BOUND.root_vm_pu - 0.01).min() < VOLTAGE_BOUND.vm_min_pu


def test_buses_outside_their_band_are_those_of_pandapower() -> None:
    case = generate("B", SEED, VOLTAGE_BOUND)
    outcome = clear_case(case, scheme_of("multilevel-01"))
    cleared = {(bid, market): mw for bid, market, mw in outcome.cleared}
    before, after = 0, 0
    for name, area in case.areas.items():
        grid, nothing = FEEDERS[name][0], np.zeros(area.network.n_nodes)
        sold = np.zeros(len(area.bids))
        for (bid, _), mw in cleared.items():
            sold[area.bids.bid_id == bid] += mw
        before += _outside(grid, area, nothing)
        after += _outside(grid, area, area.bids.injection_mw(sold, area.network.n_nodes))
    rows = _results()
    row = rows[(rows.kind == "B") & (rows.scheme == "multilevel-01")]
    assert [before] == row.ac_base_voltage_violations.to_list()
    assert [after] == row.ac_voltage_violations.to_list()
    assert 0 < before < after


def test_only_what_the_recipe_says_is_changed() -> None:
    """Injections and the places of bids are those of the bundled recipe; bids are twice as large."""
    case, shared = generate("B", SEED, VOLTAGE_BOUND), generate("B", SEED, SHARED)
    for name, area in case.areas.items():
        assert np.array_equal(area.network.p_mw, shared.areas[name].network.p_mw)
        assert list(area.bids.bid_id) == list(shared.areas[name].bids.bid_id)
        assert np.array_equal(area.bids.price, shared.areas[name].bids.price)
        assert area.bids.quantity_mw == pytest.approx(2.0 * shared.areas[name].bids.quantity_mw)
        assert area.rows.w_min_pu2 == pytest.approx(0.95**2)
        assert area.rows.w_max_pu2 == pytest.approx(1.05**2)
        assert area.rows.violations().lines == SHARED.overloaded_lines
    need = sum(case.transmission.interface_mw.values()) - case.transmission.p_mw.sum()
    assert need == pytest.approx(16.0)


def test_theorems_hold_where_voltage_binds() -> None:
    table = usable(_results())
    cost = {s: table[table.scheme == s].cost_eur_per_h.to_numpy() for s in SAFE}
    assert table[table.scheme.isin(SAFE)].safe.all()
    assert cost["aggregation/exact"] == pytest.approx(cost["common"], rel=1e-6)
    assert all((cost[s] >= cost["common"] - 1e-5).all() for s in SAFE)
    assert (table.common_eur_per_h >= table.common_without_band_eur_per_h - 1e-5).all(), "a band costs"
    dearer = table.common_eur_per_h - table.common_without_band_eur_per_h
    assert (dearer[table.kind == "B"] > 1.0).all(), "here it binds"


def test_committed_results_are_current() -> None:
    columns = ["kind", "seed", "scheme", "cost_eur_per_h", "voltage_violations", "base_voltage_violations"]
    committed = _committed()
    committed = committed[committed.study == VOLTAGE.study][columns]
    found = _results()[columns].merge(committed, on=["kind", "seed", "scheme"], suffixes=("", "_committed"))
    assert len(found) == len(_results())
    assert found.cost_eur_per_h.to_numpy() == pytest.approx(
        found.cost_eur_per_h_committed.to_numpy(), rel=1e-4
    )
    for count in ("voltage_violations", "base_voltage_violations"):
        assert (found[count] == found[f"{count}_committed"]).all()
    assert set(_committed().label) == {s.label for s in (VOLTAGE, *STEPS)}


def test_committed_tables_are_those_of_the_results() -> None:
    tables = (DOCS / VOLTAGE_TABLES).read_text(encoding="utf-8")
    assert tables == voltage_tables(usable(_committed()))
    page = (DOCS / "alexander.md").read_text(encoding="utf-8").split("## Where voltage binds")[1]
    quoted = [line for line in page.split("\n## ")[0].splitlines() if line.startswith("| ")]
    assert quoted
    assert set(quoted) <= set(tables.splitlines())


def test_findings_are_counted_by_case() -> None:
    """One finding of each sort counted again from the rows, in plain steps."""
    bound = _committed()
    bound = bound[(bound.study == VOLTAGE.study) & bound.solvable]
    tables = (DOCS / VOLTAGE_TABLES).read_text(encoding="utf-8").splitlines()
    of_b = bound[bound.kind == "B"]
    first = of_b[of_b.scheme == "multilevel-01"].set_index("seed").voltage_violations
    second = of_b[of_b.scheme == "multilevel-02"].set_index("seed").voltage_violations
    assert f"| B: multilevel-01 puts buses outside (10) | {(first > 0).sum()} of {len(first)} |" in tables
    more = sum(second[seed] > first[seed] for seed in first.index)
    text = "B: multilevel-02 leaves more outside than multilevel-01"
    assert f"| {text} | {more} of {len(first)} |" in tables
    of_a = bound[(bound.kind == "A")].groupby("seed").voltage_violations.max()
    assert f"| A: no bus outside its band under any scheme | {(of_a == 0).sum()} of {len(of_a)} |" in tables
    assert set(bound.kind) == set(KINDS)
