"""Branches of a pandapower net as arrays: the pi model, and ratings by power and by current."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray

NO_LIMIT_MVA = 9000.0
"""Ratings above this mean that the data set has no limit (MATPOWER writes 9900)."""
LEAST_IMPEDANCE_PU = 1e-12
"""Smallest impedance accepted. Published nets have 6e-10 and more; far smaller values make other branches
vanish in sums of admittances."""

# Columns of the MATPOWER branch matrix (Zimmerman et al., 2011).
F_BUS, T_BUS, BR_R, BR_X, BR_B, TAP, SHIFT, BR_STATUS = 0, 1, 2, 3, 4, 8, 9, 10
BR_R_ASYM, BR_X_ASYM, BR_G, BR_G_ASYM, BR_B_ASYM = 21, 22, 23, 24, 25  # pandapower's own columns


@dataclass(frozen=True, kw_only=True)
class Branches:
    """E branches in service, as the pi model of MATPOWER: the tap is at the from end."""

    label: tuple[str, ...]  # "line 3", "trafo 0": table and index in the pandapower net
    from_node: IntArray
    to_node: IntArray
    r_pu: FloatArray
    x_pu: FloatArray
    b_pu: FloatArray  # total line charging susceptance
    g_pu: FloatArray  # total shunt conductance (iron losses)
    tap: FloatArray  # off-nominal turns ratio at the from end, 1 for lines
    shift_rad: FloatArray
    s_max_mva: FloatArray  # inf where there is no limit
    i_max_from_ka: FloatArray
    i_max_to_ka: FloatArray

    def __len__(self) -> int:
        return len(self.label)


def read_branches(net: pandapowerNet, ppc: dict[str, Any], name: str) -> Branches:
    """Branches in service from pandapower's branch matrix, with the ratings of the net's own tables."""
    branch = ppc["branch"]
    n = len(branch)
    label = [""] * n
    s_max, i_from, i_to = np.full(n, np.inf), np.full(n, np.inf), np.full(n, np.inf)
    for table, (start, end) in net._pd2ppc_lookups["branch"].items():
        rows = net[table]
        for k in range(start, end):
            label[k] = f"{table} {rows.index[(k - start) % len(rows)]}"
        if table == "line":
            vn = net.bus.vn_kv.loc[rows.from_bus].to_numpy(dtype=float)
            i_max = (
                _column(rows, "max_i_ka", np.inf) * _column(rows, "df", 1.0) * _column(rows, "parallel", 1.0)
            )
            i_max *= _loading(rows)
            s_max[start:end] = np.sqrt(3.0) * vn * i_max
            i_from[start:end] = i_to[start:end] = i_max
        elif table == "trafo":
            rated = (
                _column(rows, "sn_mva", np.inf) * _column(rows, "df", 1.0) * _column(rows, "parallel", 1.0)
            )
            s_max[start:end] = rated = rated * _loading(rows)
            i_from[start:end] = rated / np.sqrt(3.0) / _column(rows, "vn_hv_kv", np.nan)
            i_to[start:end] = rated / np.sqrt(3.0) / _column(rows, "vn_lv_kv", np.nan)
        elif table == "trafo3w":
            for third, side in enumerate(("hv", "mv", "lv")):
                part = slice(start + third * len(rows), start + (third + 1) * len(rows))
                s_max[part] = _column(rows, f"sn_{side}_mva", np.inf) * _loading(rows)
                i_from[part] = i_to[part] = (
                    s_max[part] / np.sqrt(3.0) / _column(rows, f"vn_{side}_kv", np.nan)
                )
    unlimited: BoolArray = ~(s_max <= NO_LIMIT_MVA)
    s_max[unlimited] = i_from[unlimited] = i_to[unlimited] = np.inf
    on = branch[:, BR_STATUS].astype(bool)
    _refuse_uneven(branch, on, label, name)
    tap: FloatArray = np.where(branch[:, TAP] == 0.0, 1.0, branch[:, TAP])
    found = Branches(
        label=tuple(lab for lab, keep in zip(label, on, strict=True) if keep),
        from_node=branch[on, F_BUS].astype(np.int64),
        to_node=branch[on, T_BUS].astype(np.int64),
        r_pu=branch[on, BR_R].copy(),
        x_pu=branch[on, BR_X].copy(),
        b_pu=branch[on, BR_B].copy(),
        g_pu=branch[on, BR_G].copy(),
        tap=tap[on],
        shift_rad=np.deg2rad(branch[on, SHIFT]),
        s_max_mva=s_max[on],
        i_max_from_ka=i_from[on],
        i_max_to_ka=i_to[on],
    )
    _refuse_useless(found, name)
    return found


def _refuse_useless(branches: Branches, name: str) -> None:
    """Values of the model must be finite, and no impedance too small to divide by."""
    model = (branches.r_pu, branches.x_pu, branches.b_pu, branches.g_pu, branches.tap, branches.shift_rad)
    finite = np.isfinite(np.array(model)).all(axis=0)
    impedance_pu = np.hypot(branches.r_pu, branches.x_pu)
    wrong = ~finite | (impedance_pu < LEAST_IMPEDANCE_PU) | (branches.tap <= 0.0)
    if wrong.any():
        k = int(np.argmax(wrong))
        names = ("r", "x", "b", "g", "ratio", "shift")
        shown = ", ".join(f"{what} {values[k]:g}" for what, values in zip(names, model, strict=True))
        raise InputError(
            name,
            branches.label[k],
            f"comes out as {shown} (p.u., rad), with which no power flow can be computed",
            "Correct its values, or join its buses by a closed switch",
        )


def _refuse_uneven(branch: FloatArray, on: BoolArray, label: list[str], name: str) -> None:
    uneven = on & (branch[:, [BR_R_ASYM, BR_X_ASYM, BR_G_ASYM, BR_B_ASYM]] != 0).any(axis=1)
    if uneven.any():
        raise InputError(
            name,
            label[int(np.argmax(uneven))],
            "has different values seen from its two ends, which the pi model cannot represent",
            "Give the branch the same values in both directions",
        )


def _loading(rows: pd.DataFrame) -> FloatArray:
    """Permitted loading as a share of the rating, ``max_loading_percent``: 1 if none is given."""
    return _column(rows, "max_loading_percent", 100.0) / 100.0


def _column(rows: pd.DataFrame, column: str, default: float) -> FloatArray:
    if column not in rows:
        return np.full(len(rows), default)
    values: FloatArray = pd.to_numeric(rows[column], errors="coerce").fillna(default).to_numpy(dtype=float)
    return values
