"""What a grid holds reaches the market: cases that were cleared wrongly while it did not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandapower as pp
import pytest
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.errors import InputError
from tandem_sim.markets.cases.case import read_case
from tandem_sim.markets.cases.clear import Outcome, clear_case
from tandem_sim.markets.schemes import SCHEMES
from tests.nets import empty_net

BIDS = """bid_id,system,bus,direction,quantity_mw,price_eur_per_mwh
up,D1,2,up,2,57
down,D1,2,down,2,20
far up,T,1,up,80,60
far down,T,1,down,80,40
"""


def _transmission() -> pandapowerNet:
    """A ring of three equal lines at 110 kV, 60 MW from bus 1 to bus 2, which carries area D1."""
    net = empty_net(sn_mva=100.0)
    pp.create_buses(net, 3, vn_kv=110.0)
    pp.create_ext_grid(net, 0)
    for a, b in ((0, 1), (1, 2), (0, 2)):
        pp.create_line_from_parameters(net, a, b, 1.0, 0.0, 12.1, 0.0, max_i_ka=0.3)  # 57.2 MVA
    pp.create_gen(net, 1, p_mw=61.0)
    pp.create_load(net, 2, p_mw=60.0)
    return net


def _distribution() -> pandapowerNet:
    """A transformer and a line at 20 kV with 1 MW + 1 Mvar at its end."""
    net = empty_net(sn_mva=1.0)
    pp.create_buses(net, 3, vn_kv=[110.0, 20.0, 20.0], min_vm_pu=0.95, max_vm_pu=1.05)
    pp.create_ext_grid(net, 0)
    pp.create_transformer_from_parameters(
        net,
        0,
        1,
        sn_mva=4.0,
        vn_hv_kv=110.0,
        vn_lv_kv=20.0,
        vkr_percent=0.5,
        vk_percent=12.0,
        pfe_kw=0.0,
        i0_percent=0.0,
    )
    pp.create_line_from_parameters(net, 1, 2, 20.0, 0.3, 0.3, 0.0, max_i_ka=1.0)
    pp.create_load(net, 2, p_mw=1.0, q_mvar=1.0)
    return net


def _cleared(folder: Path, change: Callable[[pandapowerNet, pandapowerNet], object]) -> Outcome:
    transmission, distribution = _transmission(), _distribution()
    change(transmission, distribution)
    pp.to_json(transmission, str(folder / "T.json"))
    pp.to_json(distribution, str(folder / "D1.json"))
    (folder / "bids.csv").write_text(BIDS, encoding="utf-8")
    entry = {"id": "D1", "grid": "D1.json", "interface_bus": 2}
    case = {"transmission": {"grid": "T.json"}, "distribution": [entry], "bids": "bids.csv"}
    (folder / "case.json").write_text(json.dumps(case), encoding="utf-8")
    return clear_case(read_case(folder), SCHEMES["common"])


def test_without_a_fault_a_low_voltage_is_relieved(tmp_path: Path) -> None:
    # The line has 6 + j6 ohm on 400 ohm, 0.015 + j0.015 p.u.; the transformer 0.005 and 0.12 on 4 MVA. w2 =
    # 1 - 2 (r + x), below 0.95**2; a MW up at bus 2 raises it by 2 r: bought at 57, sold on at 40 EUR/MWh.
    r, x = 0.015 + 0.005 / 4.0, 0.015 + np.sqrt(0.12**2 - 0.005**2) / 4.0
    bought = (0.95**2 - 1.0 + 2.0 * (r + x)) / (2.0 * r)
    found = _cleared(tmp_path, lambda t, d: None)
    assert found.cost_eur_per_h == pytest.approx((57.0 - 40.0) * bought, rel=1e-6)


def test_a_capacitor_that_raises_the_voltage_leaves_nothing_to_buy(tmp_path: Path) -> None:
    found = _cleared(tmp_path, lambda t, d: pp.create_shunt(d, 2, q_mvar=-1.0))
    assert found.cost_eur_per_h == pytest.approx(0.0, abs=1e-9)
    assert (found.ac.buses, found.linear.buses) == (0, 0)


def test_a_generator_that_holds_the_voltage_leaves_nothing_to_buy(tmp_path: Path) -> None:
    found = _cleared(tmp_path, lambda t, d: pp.create_gen(d, 2, p_mw=0.0, vm_pu=1.0))
    assert found.cost_eur_per_h == pytest.approx(0.0, abs=1e-9)
    assert found.linear.buses == 0


def test_a_generator_at_a_dead_bus_feeds_nothing_in(tmp_path: Path) -> None:
    def change(t: pandapowerNet, d: pandapowerNet) -> None:
        dead = pp.create_bus(t, vn_kv=110.0, in_service=False)
        pp.create_gen(t, dead, p_mw=25.0)
        d.bus["min_vm_pu"] = 0.9

    assert _cleared(tmp_path, change).cost_eur_per_h == pytest.approx(0.0, abs=1e-9)


def test_a_phase_shifter_overloads_itself_and_is_relieved(tmp_path: Path) -> None:
    # 61 MW from bus 1 to 2, two thirds of them directly: 40.67 MW. In place of line 1-2 a transformer of its
    # reactance that turns by -10 degrees drives pi/18/0.3 = 58.18 MW round the ring: 98.84 on 98 MVA. A MW
    # up at bus 2 and down at bus 1 takes two thirds of it away, at 57 less 40 EUR/MWh.
    def change(t: pandapowerNet, d: pandapowerNet) -> None:
        d.bus["min_vm_pu"] = 0.9
        t.line = t.line.drop(1)
        pp.create_transformer_from_parameters(
            t,
            1,
            2,
            sn_mva=98.0,
            vn_hv_kv=110.0,
            vn_lv_kv=110.0,
            vkr_percent=0.0,
            vk_percent=9.8,
            pfe_kw=0.0,
            i0_percent=0.0,
            shift_degree=-10.0,
        )

    over = 61.0 * 2.0 / 3.0 + 100.0 * np.pi / 18.0 / 0.3 - 98.0
    assert _cleared(tmp_path, change).cost_eur_per_h == pytest.approx((57.0 - 40.0) * over * 1.5, rel=1e-6)


def test_a_derated_transformer_is_relieved(tmp_path: Path) -> None:
    # 1 MW and 1 Mvar on 4 MVA times 0.3 = 1.2 MVA: sqrt(1.44 - 1) = 0.6633 MW may pass, 0.3367 MW up at 57.
    def change(t: pandapowerNet, d: pandapowerNet) -> None:
        d.bus["min_vm_pu"] = 0.9
        d.trafo["df"] = 0.3

    found = _cleared(tmp_path, change)
    assert found.cost_eur_per_h == pytest.approx((57.0 - 40.0) * (1.0 - np.sqrt(0.44)), rel=1e-6)


@pytest.mark.parametrize("column", ["p_mw", "q_mvar"])
def test_a_load_without_a_number_is_named_with_its_file(tmp_path: Path, column: str) -> None:
    def change(t: pandapowerNet, d: pandapowerNet) -> None:
        d.load[column] = np.nan

    with pytest.raises(InputError, match=rf"D1.json: load 0.{column}: is empty"):
        _cleared(tmp_path, change)
