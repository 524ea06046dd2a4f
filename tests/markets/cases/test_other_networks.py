"""Clearing on networks other than the shared cases, against the slow oracle beside this file."""

from __future__ import annotations

import copy
import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import pandapower.networks as pn
import pytest

from tandem_sim.markets.cases.case import Case, read_case
from tandem_sim.markets.cases.clear import clear_case
from tandem_sim.markets.schemes import SCHEMES
from tests.markets.oracle import Bid, Market

ORACLE_SCHEMES = (
    "central-01",
    "central-03-relaxed",
    "common",
    "multilevel-01",
    "multilevel-03",
    "multilevel-04",
    "fragmented",
)
BINDING = {
    "rural": ("T line", "rural line"),
    "cigre": ("T line", "cigre node"),
    "pair": ("cable line", "low line", "low node"),
}
AC_DISTANCE_PU = 0.01  # of LinDistFlow, which knows no losses
COLUMNS = ("bid_id", "system", "bus", "direction", "quantity_mw", "price_eur_per_mwh")


@dataclass(frozen=True)
class Study:
    """A case in memory: nets, the transmission bus each area hangs on, and bids."""

    transmission: Any
    areas: dict[str, tuple[Any, int]]
    bids: list[Bid]

    def write(self, folder: Path) -> Path:
        """Write ``case.json``, the grids and ``bids.csv``; returns the folder."""
        folder.mkdir()
        grids = {"T": self.transmission, **{name: net for name, (net, _) in self.areas.items()}}
        for name, net in grids.items():
            pp.to_json(net, str(folder / f"{name}.json"))
        entries = [{"id": k, "grid": f"{k}.json", "interface_bus": bus} for k, (_, bus) in self.areas.items()]
        spec = {"name": folder.name, "transmission": {"grid": "T.json"}, "distribution": entries}
        (folder / "case.json").write_text(json.dumps({**spec, "bids": "bids.csv"}), encoding="utf-8")
        with (folder / "bids.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for b in self.bids:
                direction = "up" if b.direction > 0 else "down"
                writer.writerow([b.bid_id, b.system, b.bus, direction, b.quantity_mw, b.price])
        return folder


def _consumption(net: Any) -> float:
    """Consumption of a net less its generation (MW)."""
    total = 0.0
    for table, sign in (("load", 1.0), ("sgen", -1.0), ("gen", -1.0), ("storage", 1.0)):
        part = net[table][net[table].in_service]
        total += sign * float((part.p_mw * part.scaling).sum())
    return total


def _supply(net: Any, areas: dict[str, tuple[Any, int]], need_mw: float) -> None:
    """Generation at the slack of `net` that leaves `need_mw` of injection wanted in the whole system."""
    mw = _consumption(net) + sum(_consumption(area) for area, _ in areas.values()) - need_mw
    pp.create_sgen(net, int(net.ext_grid.bus.iloc[0]), p_mw=mw)


def _rate(net: Any, rng: np.random.Generator, share_tight: float) -> None:
    """Lines rated at 1.2 to 2 times their present current and a little; some at 0.95 times."""
    pp.runpp(net, numba=False)
    factor = rng.uniform(1.2, 2.0, len(net.line))
    factor[rng.random(len(net.line)) < share_tight] = 0.95
    net.line["max_i_ka"] = (net.res_line.i_ka.fillna(0.0) + 0.003) * factor / net.line.df / net.line.parallel


def _bids(
    rng: np.random.Generator, net: Any, system: str, count: int, largest_mw: float, up: float = 0.5
) -> list[Bid]:
    """Bids at random buses, a share `up` of them up; no up bid is cheaper than what a down bid pays."""
    found = []
    for k in range(count):
        direction = 1 if rng.random() < up else -1
        price = rng.uniform(50.0, 100.0) if direction > 0 else rng.uniform(-20.0, 45.0)
        bus = int(rng.choice(net.bus.index[net.bus.in_service]))
        mw = float(rng.uniform(0.1, 1.0) * largest_mw)
        found.append(
            Bid(
                bid_id=f"{system}-{k:03d}",
                system=system,
                bus=bus,
                direction=direction,
                quantity_mw=mw,
                price=float(price),
            )
        )
    return found


def rural(net_of: Callable[[str], Any]) -> Study:
    """Case 9 and SimBench's rural MV grid: unequal tapped transformers side by side, branch limits."""
    rng = np.random.default_rng(1)
    net = copy.deepcopy(net_of("1-MV-rural--0-sw"))
    del net["profiles"]
    net.trafo["tap_changer_type"] = "Ratio"
    net.trafo["tap_pos"] = 1.0
    net.trafo.loc[1, "sn_mva"] = 40.0
    # LinDistFlow leaves no-load currents out, but in pandapower they also add 1e-5 to the series impedance.
    net.trafo["pfe_kw"] = net.trafo["i0_percent"] = 0.0
    net.load["scaling"] = 1.3
    net.line.loc[net.line.index[::7], "parallel"] = 2
    net.line["df"] = 0.8
    _rate(net, rng, 0.1)
    transmission, areas = pn.case9(), {"rural": (net, 4)}
    transmission.line.loc[6, "max_i_ka"] = 163.0 / np.sqrt(3.0) / 345.0  # 163 MVA
    _supply(transmission, areas, need_mw=6.0)
    bids = _bids(rng, net, "rural", 60, 0.8) + _bids(rng, transmission, "T", 16, 1.5)
    return Study(transmission, areas, bids)


def cigre() -> Study:
    """Case 14 and the CIGRE MV grid with PV and wind, tapped on the low side: upper voltage limits."""
    rng = np.random.default_rng(2)
    net = pn.create_cigre_network_mv(with_der="pv_wind")
    net.load["scaling"], net.sgen["scaling"] = 0.3, 2.5
    for column, value in (("tap_side", "lv"), ("tap_changer_type", "Ratio")):
        net.trafo[column] = value
    for column, number in (("tap_pos", 1.0), ("tap_neutral", 0.0), ("tap_step_percent", 1.25)):
        net.trafo[column] = number
    net.switch.loc[net.switch.name == "S1", "closed"] = True  # bus 14 is fed from bus 8 instead of bus 13
    net.line.loc[(net.line.from_bus == 13) & (net.line.to_bus == 14), "in_service"] = False
    pp.create_storage(net, 9, p_mw=0.4, max_e_mwh=1.0, q_mvar=0.1, scaling=0.5)
    net.bus["min_vm_pu"], net.bus["max_vm_pu"] = np.nan, 1.041
    pp.toolbox.reindex_buses(net, {bus: 100 + 3 * bus for bus in net.bus.index})
    transmission, areas = pn.case14(), {"cigre": (net, 9)}
    transmission.line.loc[11, "max_i_ka"] = 9.195 / np.sqrt(3.0) / 0.208  # 9.195 MVA
    _supply(transmission, areas, need_mw=3.0)
    bids = _bids(rng, net, "cigre", 60, 0.8) + _bids(rng, transmission, "T", 6, 1.5)
    return Study(transmission, areas, bids)


def pair() -> Study:
    """Case 6 of Wood and Wollenberg, with case 33 (lower voltage limits) and CIGRE MV (branch limits)."""
    rng = np.random.default_rng(3)
    low, cable = pn.case33bw(), pn.create_cigre_network_mv(with_der=False)
    low.bus["min_vm_pu"] = 0.93
    # Overloaded by its load, with too few down bids for the local market to relieve it: the offers of
    # injection behind this line are qualified up to its limit in the other direction.
    low.line.loc[23, "max_i_ka"] = 0.3 / np.sqrt(3.0) / 12.66  # 0.3 MVA
    cable.line["df"] = 0.6
    transmission, areas = pn.case6ww(), {"low": (low, 3), "cable": (cable, 4)}
    _supply(transmission, areas, need_mw=5.0)
    bids = [
        *_bids(rng, low, "low", 30, 0.3, up=0.95),
        Bid(bid_id="low-a", system="low", bus=24, direction=1, quantity_mw=1.2, price=49.0),
    ]
    bids += _bids(rng, cable, "cable", 30, 1.0) + _bids(rng, transmission, "T", 16, 1.5)
    return Study(transmission, areas, bids)


@dataclass(frozen=True)
class Pair:
    """A study as Tandem reads it from its folder, and as the oracle takes it from memory."""

    name: str
    study: Study
    case: Case
    market: Market


@pytest.fixture(scope="module", params=list(BINDING))
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, net_of: Callable[[str], Any]
) -> Pair:
    name = str(request.param)
    study = {"rural": lambda: rural(net_of), "cigre": cigre, "pair": pair}[name]()
    case = read_case(study.write(tmp_path_factory.mktemp("cases") / name))
    return Pair(name, study, case, Market(study.transmission, study.areas, study.bids))


@pytest.mark.parametrize("scheme", ORACLE_SCHEMES)
def test_clearing_agrees_with_the_oracle(both: Pair, scheme: str) -> None:
    found, expected = clear_case(both.case, SCHEMES[scheme]), both.market.clear(scheme)
    assert found.cost_eur_per_h == pytest.approx(expected.cost, rel=1e-6)
    assert (found.linear.lines, found.linear.buses) == (expected.congested, expected.voltage)
    assert found.linear.max_overload_pct == pytest.approx(expected.overload_pct, abs=1e-4)
    assert found.linear.max_voltage_pct == pytest.approx(expected.depth_pct, abs=1e-4)
    assert found.unserved_imbalance_mw == pytest.approx(expected.unserved, abs=1e-6)
    assert found.interface_mw == pytest.approx(expected.interface, abs=1e-6)
    assert (found.unqualified_pct or {}) == pytest.approx(expected.unqualified, abs=1e-4)
    sold = dict.fromkeys(expected.sold, 0.0)
    for bid_id, _, mw in found.cleared:
        sold[bid_id] += mw
    assert sold == pytest.approx(expected.sold, abs=1e-6)  # prices are distinct: one dispatch is the best


def test_base_state_agrees_with_the_oracle(both: Pair) -> None:
    for name, area in both.case.areas.items():
        own, network = both.market.areas[name], area.network
        p, q = own.less(own.drawn, {})
        flow, w = own.flows(p), own.w(p, q)
        found = dict(zip(network.branches.label, area.rows.flow_mw.tolist(), strict=True))
        assert {label: found[label] for label in flow} == pytest.approx(flow, abs=1e-9)
        vm = np.sqrt(area.rows.w_pu2)[network.bus_node]
        expected = [np.sqrt(w[own.node[bus]]) for bus in network.bus_index.tolist()]
        assert vm == pytest.approx(np.array(expected), abs=1e-9)


def test_the_studies_put_limits_to_the_test(both: Pair) -> None:
    """Without this the agreement above could be one of grids in which nothing binds."""
    unlimited, common = both.market.clear("central-01"), both.market.clear("common")
    binding = set(common.tight) - {"low node 0"}  # case 33 holds its root at 1.0 p.u. from both sides
    for label in BINDING[both.name]:
        assert any(limit.startswith(label) for limit in binding), binding
    assert unlimited.congested + unlimited.voltage > common.congested + common.voltage
    assert unlimited.cost != pytest.approx(common.cost, rel=0.005)


def test_voltages_of_the_common_market_are_near_the_ac_power_flow(both: Pair) -> None:
    cleared = {bid_id: mw for bid_id, _, mw in clear_case(both.case, SCHEMES["common"]).cleared}
    for name, area in both.case.areas.items():
        net, network = copy.deepcopy(both.study.areas[name][0]), area.network
        dp = np.zeros(network.n_nodes)
        for b in both.study.bids:
            if b.system == name and b.bid_id in cleared:
                mw = b.direction * cleared[b.bid_id]
                pp.create_sgen(net, b.bus, p_mw=mw)
                dp[network.nodes_of(np.array([b.bus]), "bus")] += mw
        pp.runpp(net, numba=False)
        linear = np.sqrt(area.rows.after(dp).w_pu2)[network.bus_node]
        ac = net.res_bus.vm_pu.loc[network.bus_index].to_numpy()
        assert np.abs(linear - ac).max() < AC_DISTANCE_PU, name
