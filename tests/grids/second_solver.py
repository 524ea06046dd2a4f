"""Feeders solved by ``power-grid-model``, which shares neither code nor data model with pandapower."""

from __future__ import annotations

from typing import Any

import numpy as np
from pandapower.auxiliary import pandapowerNet
from power_grid_model import (
    ComponentType,
    DatasetType,
    LoadGenType,
    PowerGridModel,
    WindingType,
    initialize_array,
)

from tandem_sim.grids.low_voltage.three_phase import PHASES
from tandem_sim.grids.types import FloatArray

STIFF_VA = 1e20


def _filled(kind: ComponentType, rows: list[dict[str, Any]]) -> Any:
    table = initialize_array(DatasetType.input, kind, len(rows))
    for k, row in enumerate(rows):
        for column, value in row.items():
            table[column][k] = value
    return table


def voltages(net: pandapowerNet, drawn_mva: dict[int, Any], vm_pu: float) -> FloatArray:
    """Voltage of every bus and phase (B, 3) p.u. behind a stiff source, by the asymmetric power flow.

    `drawn_mva` has the complex power (3,) MVA that phases draw at a bus. Lines, Dyn transformers and shunts
    are read. A transformer has the same leakage in all sequences here, and no magnetising current.
    """
    top = int(net.bus.index.max()) + 1
    parts: dict[ComponentType, list[dict[str, Any]]] = {
        ComponentType.node: [{"id": int(bus), "u_rated": 1e3 * kv} for bus, kv in net.bus.vn_kv.items()],
        ComponentType.source: [
            {"id": top, "node": int(net.ext_grid.bus.iloc[0]), "status": 1, "u_ref": vm_pu, "sk": STIFF_VA}
        ],
        ComponentType.line: [
            {
                "id": top + 1 + k,
                "from_node": int(row.from_bus),
                "to_node": int(row.to_bus),
                "from_status": 1,
                "to_status": 1,
                "r1": row.r_ohm_per_km * row.length_km / row.parallel,
                "x1": row.x_ohm_per_km * row.length_km / row.parallel,
                "c1": 1e-9 * row.c_nf_per_km * row.length_km * row.parallel,
                "tan1": 0.0,
                "r0": row.r0_ohm_per_km * row.length_km / row.parallel,
                "x0": row.x0_ohm_per_km * row.length_km / row.parallel,
                "c0": 1e-9 * row.c0_nf_per_km * row.length_km * row.parallel,
                "tan0": 0.0,
            }
            for k, row in enumerate(net.line.itertuples())
        ],
        ComponentType.transformer: [
            {
                "id": top + 100_001 + k,
                "from_node": int(row.hv_bus),
                "to_node": int(row.lv_bus),
                "from_status": 1,
                "to_status": 1,
                "u1": 1e3 * row.vn_hv_kv,
                "u2": 1e3 * row.vn_lv_kv,
                "sn": 1e6 * row.sn_mva,
                "uk": row.vk_percent / 100.0,
                "pk": 1e4 * row.vkr_percent * row.sn_mva,
                "i0": 0.0,
                "p0": 0.0,
                "winding_from": WindingType.delta,
                "winding_to": WindingType.wye_n,
                "x_grounding_to": row.xn_ohm,
                "r_grounding_to": row.rn_ohm,
                "clock": round(row.shift_degree / 30.0) % 12,
                "tap_side": 0,
                "tap_pos": int(row.tap_pos - row.tap_neutral),
                "tap_min": -9,
                "tap_max": 9,
                "tap_nom": 0,
                "tap_size": 10.0 * row.vn_hv_kv * row.tap_step_percent,
            }
            for k, row in enumerate(net.trafo.itertuples())
        ],
        ComponentType.shunt: [
            {
                "id": top + 200_001 + k,
                "node": int(row.bus),
                "status": 1,
                **{f"g{s}": row.p_mw / row.vn_kv**2 for s in (0, 1)},
                **{f"b{s}": -row.q_mvar / row.vn_kv**2 for s in (0, 1)},
            }
            for k, row in enumerate(net.shunt.itertuples())
        ],
        ComponentType.asym_load: [
            {
                "id": top + 300_001 + k,
                "node": bus,
                "status": 1,
                "type": LoadGenType.const_power,
                "p_specified": 1e6 * np.real(mva),
                "q_specified": 1e6 * np.imag(mva),
            }
            for k, (bus, mva) in enumerate(drawn_mva.items())
        ],
    }
    given = {kind: _filled(kind, rows) for kind, rows in parts.items() if rows}
    model = PowerGridModel(given, system_frequency=float(net.f_hz))
    found = model.calculate_power_flow(symmetric=False, error_tolerance=1e-10)
    node = found[ComponentType.node]
    return np.asarray(node["u_pu"][np.searchsorted(node["id"], net.bus.index.to_numpy())])


def drawn_by(users: Any, kw: FloatArray) -> dict[int, Any]:
    """What users draw, as complex MVA by bus and phase, at unity power factor."""
    drawn: dict[int, Any] = {}
    for user, power in zip(users, kw, strict=True):
        on = np.array([f in user.phases for f in PHASES])
        drawn[user.bus] = drawn.get(user.bus, 0.0) + on * power / len(user.phases) / 1000.0 + 0j
    return drawn
