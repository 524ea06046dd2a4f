"""Mutants of grid files give a net of finite numbers, or one message; nothing is imported for them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pandapower as pp
import pytest

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.io.read import _of_content, load_net, load_network
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.power_flow.ac import PowerFlow
from tests.grids.mutants import KINDS, mutant

MANY = 2000
FEW = {".json": 80, ".m": 50, ".mat": 40, ".uct": 20, ".zip": 10}
"""Two hundred in all, fewer of those that take long to convert."""
FINITE = (
    "base_mva",
    "vm_min_pu",
    "node_vn_kv",
    "root_vm_pu",
    "p_mw",
    "q_mvar",
    "shunt_g_pu",
    "shunt_b_pu",
    "pv_vm_pu",
)
FINITE_OF_BRANCHES = ("r_pu", "x_pu", "b_pu", "g_pu", "tap", "shift_rad")


def read(path: Path) -> Network | None:
    """The network of a file, None where it is refused."""
    try:
        return load_network(str(path))
    except InputError as error:
        message = str(error)
    assert "\n" not in message
    assert len(message) < 1500
    return None


def walked(kind: str, numbers: range, folder: Path) -> dict[int, Network]:
    """The mutants that are read. All others end in one message of bounded length."""
    if kind == ".zip":
        pytest.importorskip("lxml")
    good = folder / f"good{kind}"
    good.write_bytes(KINDS[kind][0]())
    load_network(str(good))
    importlib.import_module("encodings.unicode_escape")  # by which messages show unprintable characters
    importlib.import_module("pandas.io.formats.string")  # by which a converter's own messages show tables
    before = set(sys.modules)
    found = {}
    for number in numbers:
        path = folder / f"{number}{kind}"
        path.write_bytes(mutant(kind, number))
        network = read(path)
        if network is not None:
            for holder, names in ((network, FINITE), (network.branches, FINITE_OF_BRANCHES)):
                for name in names:
                    assert np.isfinite(getattr(holder, name)).all(), f"{number}: {name}"
            found[number] = network
        assert set(sys.modules) == before, f"{number}: {set(sys.modules) - before}"
        _of_content.cache_clear()
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_mutants_are_read_or_refused(kind: str, tmp_path: Path) -> None:
    assert walked(kind, range(FEW[kind]), tmp_path)


@pytest.mark.long(f"{MANY} mutants of every format: ten minutes each")
@pytest.mark.parametrize("kind", KINDS)
def test_mutants_that_are_read_are_what_pandapower_makes_of_them(kind: str, tmp_path: Path) -> None:
    """Against ``pandapower.runpp`` on the net as it was read, where it has a solution."""
    compared = 0
    for number, network in walked(kind, range(MANY), tmp_path).items():
        net = load_net(str(tmp_path / f"{number}{kind}"))
        try:
            pp.runpp(net, calculate_voltage_angles=True, init="dc", numba=False, lightsim2grid=False)
        except Exception:  # noqa: BLE001 - pandapower takes less than Tandem, and says so in its own ways
            continue
        state = PowerFlow(network).solve(network.p_mw, network.q_mvar)
        expected = net.res_bus.vm_pu.loc[network.bus_index].to_numpy(dtype=float)
        np.testing.assert_allclose(state.vm_pu[network.bus_node], expected, atol=1e-6, err_msg=str(number))
        compared += 1
    assert compared
