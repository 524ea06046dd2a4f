"""Allowed ranges of the numbers of a pandapower net, table by table.

Bounds lie far beyond every published net (tests read them all) and well within the range of floating-point
arithmetic. A value beyond them is a mistake of units or of the file, and would lead to infinite results.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Number:
    """Allowed values of a column, in rows in service."""

    least: float
    most: float
    zero: bool = True  # whether the lower bound itself is allowed
    absent: bool = False  # whether it may be empty, and the column missing
    infinite: bool = False  # whether it may be infinite, beyond `most`
    default: float | None = None  # value of a missing column that pandapower needs

    @property
    def words(self) -> str:
        """The range, for messages."""
        if self.zero:
            return f"a number from {self.least:g} to {self.most:g}"
        return f"a number above {self.least:g}, at most {self.most:g}"


def _around_zero(most: float, absent: bool = False) -> Number:
    return Number(least=-most, most=most, absent=absent)


def _above_zero(most: float) -> Number:
    return Number(least=0.0, most=most, zero=False)


MVA = Number(least=1e-9, most=1e9)
"""Rated and base powers: MATPOWER writes 99 999 for no rating."""
KV = Number(least=1e-3, most=1e4)
HERTZ = Number(least=1.0, most=1e3)
MAX_INDEX = 20_000_000
"""Largest index of a row: pandapower creates arrays as long as the largest index."""

_MW = _around_zero(1e6)  # and Mvar
_SCALING = Number(least=-1e6, most=1e6, absent=True, default=1.0)
_SET_POINT_PU = Number(least=0.1, most=2.0)
_DEGREE = _around_zero(3600.0, absent=True)
_OHM = _around_zero(1e9)  # per km, or in total
_CHARGING = _around_zero(1e12)  # nF per km
_PERCENT = _around_zero(1e9)  # of a rated power, which may mean no rating
_KW = _around_zero(1e9)
_FACTOR = Number(least=0.0, most=1e6, zero=False, absent=True, default=1.0)
_LIMIT = Number(least=0.0, most=1e9, absent=True, infinite=True)

_POWER = {"p_mw": _MW, "q_mvar": _MW, "scaling": _SCALING}
_PHASES = {f"{kind}_{phase}_{unit}": _MW for phase in "abc" for kind, unit in (("p", "mw"), ("q", "mvar"))}
_WARD = dict.fromkeys(("ps_mw", "qs_mvar", "pz_mw", "qz_mvar"), _MW)
_TAPS = {
    f"{tap}_{column}": rule
    for tap in ("tap", "tap2")
    for column, rule in (
        ("pos", _around_zero(1e4, absent=True)),
        ("neutral", _around_zero(1e4, absent=True)),
        ("step_percent", _around_zero(1e4, absent=True)),
        ("step_degree", _DEGREE),
    )
}
COLUMNS: Mapping[str, Mapping[str, Number]] = {
    "bus": {
        "vn_kv": KV,
        "min_vm_pu": _LIMIT,
        "max_vm_pu": Number(least=0.0, most=1e9, zero=False, absent=True, infinite=True),
    },
    "ext_grid": {"vm_pu": _SET_POINT_PU, "va_degree": _DEGREE},
    "load": _POWER,
    "sgen": _POWER,
    "storage": _POWER,
    "gen": {"p_mw": _MW, "scaling": _SCALING, "vm_pu": _SET_POINT_PU},
    "motor": {
        "pn_mech_mw": _MW,
        "loading_percent": _around_zero(1e6),
        "cos_phi": _above_zero(1.0),
        "efficiency_percent": _above_zero(100.0),
        "scaling": _SCALING,
    },
    "asymmetric_load": {**_PHASES, "scaling": _SCALING},
    "asymmetric_sgen": {**_PHASES, "scaling": _SCALING},
    "shunt": {"p_mw": _MW, "q_mvar": _MW, "vn_kv": KV, "step": _around_zero(1e6)},
    "ward": _WARD,
    "xward": {**_WARD, "r_ohm": _OHM, "x_ohm": _OHM, "vm_pu": _SET_POINT_PU},
    "line": {
        "length_km": _above_zero(1e6),
        "r_ohm_per_km": _OHM,
        "x_ohm_per_km": _OHM,
        "c_nf_per_km": _CHARGING,
        "g_us_per_km": _around_zero(1e12, absent=True),
        "max_i_ka": _LIMIT,
        "df": _FACTOR,
        "parallel": _FACTOR,
        "max_loading_percent": _LIMIT,
    },
    "trafo": {
        "sn_mva": MVA,
        "vn_hv_kv": KV,
        "vn_lv_kv": KV,
        "vk_percent": _PERCENT,
        "vkr_percent": _PERCENT,
        "pfe_kw": _KW,
        "i0_percent": _PERCENT,
        "shift_degree": _DEGREE,
        "df": _FACTOR,
        "parallel": _FACTOR,
        "max_loading_percent": _LIMIT,
        **_TAPS,
    },
    "trafo3w": {
        **{
            column.format(side): rule
            for side in ("hv", "mv", "lv")
            for column, rule in (
                ("sn_{}_mva", MVA),
                ("vn_{}_kv", KV),
                ("vk_{}_percent", _PERCENT),
                ("vkr_{}_percent", _PERCENT),
            )
        },
        "pfe_kw": _KW,
        "i0_percent": _PERCENT,
        "shift_mv_degree": _DEGREE,
        "shift_lv_degree": _DEGREE,
        "max_loading_percent": _LIMIT,
        **_TAPS,
    },
    "impedance": {
        "sn_mva": MVA,
        **dict.fromkeys(("rft_pu", "xft_pu", "rtf_pu", "xtf_pu"), _around_zero(1e9)),
        **dict.fromkeys(("gf_pu", "bf_pu", "gt_pu", "bt_pu"), _around_zero(1e9, absent=True)),
    },
}
"""Checked columns of every table, and their ranges."""
SWITCH_OHM = Number(least=0.0, most=1e9, absent=True)
"""Impedance of a closed switch."""
