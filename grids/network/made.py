"""Grids made of arrays instead of tables: small systems for studies and tests."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandapower as pp
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.network.branches import Branches
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.types import FloatArray, IntArray


@cache
def _no_net() -> pandapowerNet:
    """An empty pandapower net: only the reference power flow and low-voltage feeders use the net."""
    return pp.create_empty_network()


def network(
    from_node: IntArray,
    to_node: IntArray,
    x_pu: FloatArray,
    s_max_mva: FloatArray,
    p_mw: FloatArray,
    band: tuple[float, float] = (0.9, 1.1),
    name: str = "small",
    tan_phi: float = 1.0 / 3.0,
) -> Network:
    """A grid of 20 kV nodes with root node 0, bus k being node k; r is half of x, q is `tan_phi` of p.

    `x_pu` (E,) on 10 MVA; `p_mw` (N,) injections; `band` is the voltage band in p.u. It has no tables, and
    therefore no reference power flow.
    """
    n, e = len(p_mw), len(from_node)
    i_max = s_max_mva / np.sqrt(3.0) / 20.0
    branches = Branches(
        label=tuple(f"line {k}" for k in range(e)),
        from_node=from_node,
        to_node=to_node,
        r_pu=x_pu / 2.0,
        x_pu=x_pu,
        b_pu=np.zeros(e),
        g_pu=np.zeros(e),
        tap=np.ones(e),
        shift_rad=np.zeros(e),
        s_max_mva=s_max_mva,
        i_max_from_ka=i_max,
        i_max_to_ka=i_max,
    )
    return Network(
        name=name,
        base_mva=10.0,
        bus_index=np.arange(n),
        bus_node=np.arange(n),
        vm_min_pu=np.full(n, band[0]),
        vm_max_pu=np.full(n, band[1]),
        node_vn_kv=np.full(n, 20.0),
        root=0,
        root_vm_pu=1.0,
        p_mw=p_mw,
        q_mvar=p_mw * tan_phi,
        shunt_g_pu=np.zeros(n),
        shunt_b_pu=np.zeros(n),
        pv_node=np.empty(0, dtype=np.int64),
        pv_vm_pu=np.empty(0),
        pv_q_mvar=np.empty((2, 0)),
        branches=branches,
        net=_no_net(),
    )
