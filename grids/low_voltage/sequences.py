"""A grid in positive, negative and zero sequence: admittances, and the voltages that currents cause.

Branches are the same on all three phases, so sequences are decoupled (Fortescue, 1918): each has its own
nodal admittance matrix. The positive sequence is that of `Network`. In the negative sequence phase shifts
have the opposite sign. The zero sequence has its own data in the tables of lines and transformers: there a
Dyn transformer connects its star point to ground and passes no current. Values are p.u. of 1 MVA; N nodes, E
branches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandapower.build_branch import _calc_tap_from_dataframe
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.tolerances import ZERO_VK0_PERCENT
from tandem_sim.grids.types import BoolArray, ComplexArray, IntArray

IEC_VOLTAGE_FACTOR = 1.1  # of short-circuit powers, IEC 60909


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """Admittances of branches (E,) between and at their ends, and of nodes to ground (N,).

    The current into a branch is ``ff v_from + ft v_to`` at its from end and ``tf v_from + tt v_to`` at its
    to end.
    """

    from_node: IntArray
    to_node: IntArray
    ff: ComplexArray
    ft: ComplexArray
    tf: ComplexArray
    tt: ComplexArray
    ground: ComplexArray
    root: int
    source_z: complex = 0j  # impedance of the source; zero: it holds the voltage of its node

    def tied(self) -> BoolArray:
        """Nodes (N,) from which a current of this sequence has a path to ground or to the source."""
        grounded = self.ground != 0.0
        grounded[self.from_node[self.ff + self.ft != 0.0]] = True
        grounded[self.to_node[self.tt + self.tf != 0.0]] = True
        grounded[self.root] = True
        _, part = connected_components(abs(self._matrix()), directed=False)
        found: BoolArray = np.isin(part, part[grounded])
        return found

    def idle(self, vm_pu: float) -> ComplexArray:
        """Voltages (N,) p.u. without load, at `vm_pu` of the source."""
        matrix = self._matrix()
        rows = np.arange(len(self.ground)) != self.root
        voltage = np.full(len(rows), vm_pu, dtype=np.complex128)
        if rows.any():
            into = matrix[rows][:, [self.root]].toarray()[:, 0]
            voltage[rows] = splu(matrix[rows][:, rows].tocsc()).solve(-vm_pu * into)
        return voltage

    def drop(self, nodes: IntArray) -> ComplexArray:
        """Voltage drop at all nodes (N, n) per unit of current drawn at each of `nodes` (n,).

        Zero for nodes that are not `tied`: no current of this sequence can be drawn there.
        """
        matrix, rows = self._matrix(), self.tied()
        if self.source_z:
            at_root = ([1.0 / self.source_z], ([self.root], [self.root]))
            matrix = (matrix + coo_array(at_root, shape=matrix.shape)).tocsc()
        else:
            rows[self.root] = False
        drop = np.zeros((len(rows), len(nodes)), dtype=np.complex128)
        if rows.any():
            drawn = (np.flatnonzero(rows)[:, None] == nodes[None, :]).astype(np.complex128)
            drop[rows] = splu(matrix[rows][:, rows].tocsc()).solve(drawn)
        return drop

    def into_branches(self, voltage: ComplexArray) -> ComplexArray:
        """Currents through branches by voltages (N, ...): (E, 2, ...), into from ends and out of to ends."""
        f, t = voltage[self.from_node], voltage[self.to_node]
        wide = (len(f),) + (1,) * (voltage.ndim - 1)
        ff, ft, tf, tt = (y.reshape(wide) for y in (self.ff, self.ft, self.tf, self.tt))
        return np.stack([ff * f + ft * t, -(tf * f + tt * t)], axis=1)

    def _matrix(self) -> Any:
        f, t, n = self.from_node, self.to_node, len(self.ground)
        every = np.arange(n)
        value = np.concatenate([self.ff, self.ft, self.tf, self.tt, self.ground])
        row, column = np.concatenate([f, f, t, t, every]), np.concatenate([f, t, f, t, every])
        matrix = coo_array((value, (row, column)), shape=(n, n)).tocsr()
        matrix.eliminate_zeros()
        return matrix


def positive(network: Network) -> Sequence:
    """The positive sequence, with a stiff source."""
    return _alike(network, 1.0, 0j)


def negative(network: Network) -> Sequence:
    """The negative sequence: phase shifts with opposite sign; the source has its short-circuit impedance."""
    return _alike(network, -1.0, _source(network)[0])


def zero(network: Network) -> Sequence:
    """The zero sequence, from the tables of lines and transformers.

    Shunts are stars with an earthed star point; a switch has the impedance of the positive sequence. Raises
    `InputError` where data are missing, and for branches other than lines, switches and Dyn transformers.
    """
    b, count = network.branches, len(network.branches)
    z, charging, star = (np.zeros(count, dtype=np.complex128) for _ in range(3))
    tables = {table: network.net[table].to_dict("index") for table in ("line", "trafo")}
    lv_kv = _tapped_lv_kv(network)
    for k, label in enumerate(b.label):
        table, index = label.split()
        if table == "line":
            row, kv = tables[table][int(index)], float(network.node_vn_kv[b.from_node[k]])
            z[k], charging[k] = _line(network, label, row, kv, bool(b.b_pu[k]))
            charging[k] += b.g_pu[k] * network.base_mva
        elif table == "trafo":
            kv = float(network.node_vn_kv[b.to_node[k]])
            star[k] = 1.0 / _star(network, label, tables[table][int(index)], lv_kv[int(index)], kv)
        elif table == "switch":
            z[k] = complex(b.r_pu[k], b.x_pu[k]) / network.base_mva
        else:
            raise InputError(
                network.name,
                label,
                "is not modelled with single-phase users",
                "Use lines, two-winding transformers and switches, or three-phase users only",
            )
    through = star == 0.0
    series = np.zeros(count, dtype=np.complex128)
    if (through & (z == 0.0)).any():
        raise InputError(
            network.name,
            b.label[int(np.argmax(through & (z == 0.0)))],
            "has no zero-sequence impedance",
            "Give it one, or join its buses by a closed switch",
        )
    series[through] = 1.0 / z[through]
    own = series + 0.5 * charging
    return Sequence(
        from_node=b.from_node,
        to_node=b.to_node,
        ff=own,
        ft=-series,
        tf=-series,
        tt=own + star,
        ground=_shunts(network),
        root=network.root,
        source_z=_source(network)[1],
    )


def _alike(network: Network, turn: float, source_z: complex) -> Sequence:
    """The positive (`turn` 1) or negative (-1) sequence: the pi model of MATPOWER."""
    b, base = network.branches, network.base_mva
    series = np.asarray(base / (b.r_pu + 1j * b.x_pu), dtype=np.complex128)
    own = series + 0.5 * (b.g_pu + 1j * b.b_pu) * base
    shift = np.exp(1j * turn * b.shift_rad)
    return Sequence(
        from_node=b.from_node,
        to_node=b.to_node,
        ff=own / b.tap**2,
        ft=-series * shift / b.tap,
        tf=-series * np.conj(shift) / b.tap,
        tt=own,
        ground=_shunts(network),
        root=network.root,
        source_z=source_z,
    )


def _shunts(network: Network) -> ComplexArray:
    return np.asarray((network.shunt_g_pu + 1j * network.shunt_b_pu) * network.base_mva, dtype=np.complex128)


def _line(
    network: Network, label: str, row: Mapping[str, Any], kv: float, charged: bool
) -> tuple[complex, complex]:
    """Zero-sequence impedance and charging admittance of a line."""
    r, x = _numbers(network, label, row, "r0_ohm_per_km", "x0_ohm_per_km")
    (c,) = _numbers(network, label, row, "c0_nf_per_km") if charged else (0.0,)
    count, km = float(row["parallel"]), float(row["length_km"])
    farad = 1e-9 * c * km * count
    return complex(r, x) * km / count / kv**2, 2j * np.pi * network.net.f_hz * farad * kv**2


def _tapped_lv_kv(network: Network) -> dict[int, float]:
    """Rated low voltage of every transformer at the present positions of its taps, as pandapower has it."""
    trafo = network.net.trafo
    if not len(trafo):
        return {}
    _, low, _ = _calc_tap_from_dataframe(network.net, trafo)
    return dict(zip(trafo.index.tolist(), low.tolist(), strict=True))


def _star(network: Network, label: str, row: Mapping[str, Any], lv_kv: float, bus_kv: float) -> complex:
    """Zero-sequence impedance of a Dyn transformer to ground, seen from its star point.

    Leakage and magnetising impedance form a T; the delta is short-circuited; the earthing of the star point
    counts three times. Source: Oswald (2009), Berechnung von Drehstromnetzen; pandapower's T model.
    """
    group = str(row.get("vector_group", "unknown"))
    if not group.startswith("Dyn"):
        raise InputError(
            network.name,
            f"{label}.vector_group",
            f"is {group}, and users have single phases",
            "Give a Dyn transformer with zero-sequence data",
        )
    vkr, vk = _numbers(network, label, row, "vkr0_percent", "vk0_percent")
    vkr = vkr if abs(vkr) > ZERO_VK0_PERCENT else float(row["vkr_percent"])
    vk = vk if abs(vk) > ZERO_VK0_PERCENT else float(row["vk_percent"])
    ratio, r_by_x, part = _numbers(network, label, row, "mag0_percent", "mag0_rx", "si0_hv_partial")
    for column, value, fits in (("mag0_percent", ratio, ratio > 0), ("si0_hv_partial", part, 0 <= part <= 1)):
        if not fits:
            raise InputError(
                network.name,
                f"{label}.{column}",
                f"is {value:g}, which no transformer has",
                "Give the magnetising impedance above zero, in percent of the leakage, and a share of 0 to 1",
            )
    leakage = complex(vkr, np.sqrt(max(vk**2 - vkr**2, 0.0)))
    magnetising = abs(leakage) * ratio / 100.0 * complex(r_by_x, 1.0) / np.hypot(r_by_x, 1.0)
    delta = part * leakage
    percent = (1.0 - part) * leakage + delta * magnetising / (delta + magnetising)
    point = sum(_given(row, column) * unit for column, unit in (("rn_ohm", 1.0), ("xn_ohm", 1j)))
    z = percent / 100.0 / float(row["sn_mva"]) * (lv_kv / bus_kv) ** 2 + 3.0 * point / bus_kv**2
    return complex(z / float(row["parallel"]))


def _source(network: Network) -> tuple[complex, complex]:
    """Short-circuit impedances of the source, negative and zero sequence; zero where not given."""
    table = network.net.ext_grid
    row = table[table.in_service].iloc[0].to_dict()
    power, r_by_x = _given(row, "s_sc_max_mva"), _given(row, "rx_max")
    if not power:
        return 0j, 0j
    x = IEC_VOLTAGE_FACTOR / power / np.hypot(r_by_x, 1.0)
    x0 = _given(row, "x0x_max") * x
    return complex(r_by_x * x, x), complex(_given(row, "r0x0_max") * x0, x0)


def _given(row: Mapping[Any, Any], column: str) -> float:
    """A number that may be missing: then zero."""
    value = _number(row, column)
    return value if np.isfinite(value) else 0.0


def _number(row: Mapping[Any, Any], column: str) -> float:
    value: Any = row.get(column)
    return float("nan") if pd.isna(value) else float(value)


def _numbers(network: Network, label: str, row: Mapping[str, Any], *columns: str) -> list[float]:
    values = []
    for column in columns:
        value = _number(row, column)
        if not np.isfinite(value):
            raise InputError(
                network.name,
                f"{label}.{column}",
                "is missing, and users have single phases",
                "Give zero-sequence data, or three-phase users only",
            )
        values.append(value)
    return values
