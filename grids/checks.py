"""What a pandapower net must hold before it is solved: numbers where numbers are needed, in their range.

pandapower solves a net with a value that is not a number, and answers with voltages that are none; a line
without impedance ends in "no solution". Here every such value is named by table, row and column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.arrays import BoolArray, FloatArray
from tandem_sim.grids.contents import MODELLED
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.text import shown


@dataclass(frozen=True)
class Number:
    """What values of a column may be, in rows in service."""

    words: str
    least: float = -np.inf
    zero: bool = True  # whether the least value itself is allowed
    absent: bool = False  # whether it may be empty, and the column missing


ANY = Number("a finite number")
MAYBE = Number("a finite number", absent=True)
POSITIVE = Number("a number above zero", 0.0, zero=False)
POSITIVE_MAYBE = Number("a number above zero", 0.0, zero=False, absent=True)
NOT_NEGATIVE = Number("zero or more", 0.0)
NOT_NEGATIVE_MAYBE = Number("zero or more", 0.0, absent=True)

_POWER = {"p_mw": ANY, "q_mvar": ANY, "scaling": MAYBE}
_PHASES = {f"{kind}_{phase}_{unit}": ANY for phase in "abc" for kind, unit in (("p", "mw"), ("q", "mvar"))}
_TAPS = {
    f"{tap}_{column}": MAYBE
    for tap in ("tap", "tap2")
    for column in ("pos", "neutral", "step_percent", "step_degree")
}
COLUMNS: Mapping[str, Mapping[str, Number]] = {
    "bus": {"vn_kv": POSITIVE, "min_vm_pu": NOT_NEGATIVE_MAYBE, "max_vm_pu": POSITIVE_MAYBE},
    "ext_grid": {"vm_pu": POSITIVE, "va_degree": MAYBE},
    "load": _POWER,
    "sgen": _POWER,
    "storage": _POWER,
    "gen": {"p_mw": ANY, "scaling": MAYBE, "vm_pu": POSITIVE},
    "motor": {
        "pn_mech_mw": ANY,
        "loading_percent": ANY,
        "cos_phi": POSITIVE,
        "efficiency_percent": POSITIVE,
        "scaling": MAYBE,
    },
    "asymmetric_load": {**_PHASES, "scaling": MAYBE},
    "asymmetric_sgen": {**_PHASES, "scaling": MAYBE},
    "shunt": {"p_mw": ANY, "q_mvar": ANY, "vn_kv": POSITIVE, "step": ANY},
    "ward": {"ps_mw": ANY, "qs_mvar": ANY, "pz_mw": ANY, "qz_mvar": ANY},
    "xward": {
        "ps_mw": ANY,
        "qs_mvar": ANY,
        "pz_mw": ANY,
        "qz_mvar": ANY,
        "r_ohm": ANY,
        "x_ohm": ANY,
        "vm_pu": POSITIVE,
    },
    "line": {
        "length_km": POSITIVE,
        "r_ohm_per_km": ANY,
        "x_ohm_per_km": ANY,
        "c_nf_per_km": ANY,
        "g_us_per_km": MAYBE,
        "max_i_ka": NOT_NEGATIVE_MAYBE,
        "df": POSITIVE_MAYBE,
        "parallel": POSITIVE_MAYBE,
        "max_loading_percent": NOT_NEGATIVE_MAYBE,
    },
    "trafo": {
        "sn_mva": POSITIVE,
        "vn_hv_kv": POSITIVE,
        "vn_lv_kv": POSITIVE,
        "vk_percent": ANY,
        "vkr_percent": ANY,
        "pfe_kw": ANY,
        "i0_percent": ANY,
        "shift_degree": MAYBE,
        "df": POSITIVE_MAYBE,
        "parallel": POSITIVE_MAYBE,
        "max_loading_percent": NOT_NEGATIVE_MAYBE,
        **_TAPS,
    },
    "trafo3w": {
        **{
            column.format(side): rule
            for side in ("hv", "mv", "lv")
            for column, rule in (
                ("sn_{}_mva", POSITIVE),
                ("vn_{}_kv", POSITIVE),
                ("vk_{}_percent", ANY),
                ("vkr_{}_percent", ANY),
            )
        },
        "pfe_kw": ANY,
        "i0_percent": ANY,
        "shift_mv_degree": MAYBE,
        "shift_lv_degree": MAYBE,
        "max_loading_percent": NOT_NEGATIVE_MAYBE,
        **_TAPS,
    },
    "impedance": {
        "sn_mva": POSITIVE,
        **dict.fromkeys(("rft_pu", "xft_pu", "rtf_pu", "xtf_pu"), ANY),
        **dict.fromkeys(("gf_pu", "bf_pu", "gt_pu", "bt_pu"), MAYBE),
    },
}
"""Columns of every table that are looked at, and what they may hold."""

BUS_COLUMNS = {
    "line": ("from_bus", "to_bus"),
    "impedance": ("from_bus", "to_bus"),
    "trafo": ("hv_bus", "lv_bus"),
    "trafo3w": ("hv_bus", "mv_bus", "lv_bus"),
    **dict.fromkeys(
        (
            "ext_grid",
            "load",
            "sgen",
            "storage",
            "gen",
            "motor",
            "asymmetric_load",
            "asymmetric_sgen",
            "shunt",
            "ward",
            "xward",
            "switch",
        ),
        ("bus",),
    ),
}
TAP_CHANGERS = ("Ratio", "Symmetrical", "Ideal", "Tabular")
NO_TAP_CHANGER = ("", "nan", "None")  # as pandapower writes that there is none
SWITCHED = {"l": "line", "t": "trafo", "t3": "trafo3w", "b": "bus"}
"""What a switch stands at, by its column ``et``."""


def in_service(net: pandapowerNet, table: str, name: str) -> BoolArray:
    """Which rows of a table are in service. A value that is neither True nor False is an `InputError`."""
    return _flags(net[table], table, "in_service", name)


def check_net(net: pandapowerNet, name: str) -> None:
    """Raise an `InputError` for the first value that no power flow can use, by table, row and column.

    Looked at are rows in service: numbers are finite and in their range, buses and switched elements exist,
    branches have an impedance, lower limits do not lie above upper ones. `name` is the grid's. Columns of the
    net become plain numbers and flags; values out of service that cannot be used become harmless ones, since
    pandapower multiplies them by zero.
    """
    for field, what in (
        ("sn_mva", "a base power above zero, in MVA"),
        ("f_hz", "a frequency above zero, in Hz"),
    ):
        value = _real(net.get(field))
        if not np.isfinite(value) or not value > 0.0:
            raise InputError(name, field, f"is {shown(net.get(field))}", f"Give {what}")
    _check_tables(net, name)
    if not net.bus.index.is_unique or not pd.api.types.is_integer_dtype(net.bus.index):
        raise InputError(
            name, "bus", "its index does not number buses", "Give every bus a whole number of its own"
        )
    for table, rules in COLUMNS.items():
        if not len(net[table]):
            continue
        on = in_service(net, table, name)
        net[table]["in_service"] = on
        for column, rule in rules.items():
            _check_column(net[table][on], table, column, rule, name)
            _make_plain(net[table], column, rule, on)
    for table, columns in BUS_COLUMNS.items():
        if len(net[table]):
            _check_buses(net, table, columns, name)
    _check_switches(net, name)
    _check_taps(net, name)
    _check_impedances(net, name)
    _check_order(net, name)


def _check_tables(net: pandapowerNet, name: str) -> None:
    """Every table that is read is there, and numbers its rows once."""
    for table in MODELLED:
        if table not in net or not isinstance(net[table], pd.DataFrame):
            hint = "Write the net with pandapower.to_json, which writes every table"
            raise InputError(name, table, "the table is missing", hint)
        twice = net[table].index.duplicated()
        if twice.any():
            problem = f"{table} {net[table].index[twice][0]} stands there twice"
            raise InputError(name, table, problem, "Give every row an index of its own")


def _check_taps(net: pandapowerNet, name: str) -> None:
    """Tap changers are of a kind that pandapower knows: it passes over others without a word."""
    for table in ("trafo", "trafo3w"):
        for column in ("tap_changer_type", "tap2_changer_type"):
            for index, kind in net[table].get(column, pd.Series(dtype=object)).items():
                if not pd.isna(kind) and kind not in TAP_CHANGERS + NO_TAP_CHANGER:
                    raise InputError(
                        name,
                        f"{table} {index}.{column}",
                        f"is {_shown(kind)}",
                        f"Use one of {', '.join(TAP_CHANGERS)}, or leave it empty for none",
                    )


def _real(value: Any) -> float:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return float(value) if number else float("nan")


def _flags(rows: pd.DataFrame, table: str, column: str, name: str) -> BoolArray:
    if column not in rows:
        raise InputError(
            name, f"{table}.{column}", "the column is missing", "Give True or False in every row"
        )
    values = rows[column]
    wrong = ~values.isin([True, False]).to_numpy()
    _refuse_first(wrong, name, rows, f"{table} {{}}.{column}", "Give True or False", "is {}", values)
    return np.asarray(values.to_numpy(dtype=bool))


def _refuse_first(
    wrong: BoolArray,
    name: str,
    rows: pd.DataFrame,
    where: str,
    hint: str,
    problem: str,
    *values: pd.Series[Any] | FloatArray,
) -> None:
    """Raise an `InputError` for the first wrong row, if there is one.

    `where` has a place for its index, `problem` one for each of `values` in it.
    """
    if wrong.any():
        k = int(np.argmax(wrong))
        shown = [_shown(np.asarray(column, dtype=object)[k]) for column in values]
        raise InputError(name, where.format(rows.index[k]), problem.format(*shown), hint)


def _shown(value: object) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    return "empty" if value is None or value != value else repr(value)[:40]


def _numbers(rows: pd.DataFrame, table: str, column: str, name: str) -> FloatArray:
    """A column as numbers, nan where it is empty; text and the like are an `InputError`."""
    values = pd.to_numeric(rows[column], errors="coerce")
    wrong = (values.isna() & rows[column].notna()).to_numpy()
    _refuse_first(wrong, name, rows, f"{table} {{}}.{column}", "Give a number", "is {}", rows[column])
    return np.asarray(values.to_numpy(dtype=float))


def _check_column(rows: pd.DataFrame, table: str, column: str, rule: Number, name: str) -> None:
    if column not in rows:
        if rule.absent or not len(rows):
            return
        raise InputError(
            name, f"{table}.{column}", "the column is missing", f"Give {rule.words} in every row"
        )
    values = _numbers(rows, table, column, name)
    empty = np.isnan(values)
    fine = np.isfinite(values) & ((values > rule.least) | ((values == rule.least) & rule.zero))
    if rule.least == 0.0 and rule.absent:
        fine |= values == np.inf  # a limit that is none
    wrong = ~(fine | empty) if rule.absent else ~fine
    hint = f"Give {rule.words}, or take the element out of service"
    _refuse_first(wrong, name, rows, f"{table} {{}}.{column}", hint, "is {}", values)


def _make_plain(rows: pd.DataFrame, column: str, rule: Number, on: BoolArray) -> None:
    if column not in rows:
        return
    if rows[column].dtype == object:
        rows[column] = pd.to_numeric(rows[column], errors="coerce")
    values = rows[column].to_numpy(dtype=float)
    fine = np.isfinite(values) & (values > rule.least)
    useless: BoolArray = ~on & ~(fine | np.isnan(values) if rule.absent else fine)
    if useless.any():
        rows[column] = np.where(useless, 1.0, values)


def _check_buses(net: pandapowerNet, table: str, columns: tuple[str, ...], name: str) -> None:
    rows = net[table]
    for column in columns:
        if column not in rows:
            raise InputError(name, f"{table}.{column}", "the column is missing", "Give the index of a bus")
        wrong = ~rows[column].isin(net.bus.index).to_numpy()
        where, hint = f"{table} {{}}.{column}", "Use an index of table bus"
        _refuse_first(wrong, name, rows, where, hint, "bus {} does not exist", rows[column])


def _check_switches(net: pandapowerNet, name: str) -> None:
    rows = net.switch
    if not len(rows):
        return
    _flags(rows, "switch", "closed", name)
    if "z_ohm" in rows:
        _check_column(rows, "switch", "z_ohm", NOT_NEGATIVE_MAYBE, name)
    for index, et, element in zip(rows.index, rows.et, rows.element, strict=True):
        if et not in SWITCHED:
            problem, hint = f"is {_shown(et)}", f"Use one of {', '.join(SWITCHED)}"
            raise InputError(name, f"switch {index}.et", problem, hint)
        if element not in net[SWITCHED[et]].index:
            problem = f"{SWITCHED[et]} {_shown(element)} does not exist"
            raise InputError(name, f"switch {index}.element", problem, f"Use an index of {SWITCHED[et]}")


def _check_impedances(net: pandapowerNet, name: str) -> None:
    """Branches in service have an impedance, and a transformer not more resistance than impedance."""
    for table, parts in (
        ("line", (("r_ohm_per_km", "x_ohm_per_km"),)),
        ("impedance", (("rft_pu", "xft_pu"), ("rtf_pu", "xtf_pu"))),
        ("xward", (("r_ohm", "x_ohm"),)),
    ):
        if len(net[table]):
            rows = net[table][in_service(net, table, name)]
            for r, x in parts:
                none = (rows[r].to_numpy(dtype=float) == 0.0) & (rows[x].to_numpy(dtype=float) == 0.0)
                hint = "Give it one, or join its buses by a closed switch"
                problem = f"has no impedance ({r} and {x} are zero)"
                _refuse_first(none, name, rows, f"{table} {{}}", hint, problem)
    for table, sides in (("trafo", ("",)), ("trafo3w", ("hv_", "mv_", "lv_"))):
        rows = net[table][in_service(net, table, name)] if len(net[table]) else net[table]
        for side in sides if len(rows) else ():
            vk = rows[f"vk_{side}percent"].to_numpy(dtype=float)
            vkr = rows[f"vkr_{side}percent"].to_numpy(dtype=float)
            wrong = (vk == 0.0) | (np.abs(vkr) > np.abs(vk) * (1.0 + 1e-9))
            where = f"{table} {{}}.vk_{side}percent"
            hint = f"Give a short-circuit voltage that is not zero and not below vkr_{side}percent"
            problem = "is {} with a resistive part of {}: there is no such impedance"
            _refuse_first(wrong, name, rows, where, hint, problem, vk, vkr)


def _check_order(net: pandapowerNet, name: str) -> None:
    """Lower limits are not above upper ones."""
    for table, low, high in (("bus", "min_vm_pu", "max_vm_pu"), ("gen", "min_q_mvar", "max_q_mvar")):
        rows = net[table]
        if not len(rows) or low not in rows or high not in rows:
            continue
        rows = rows[in_service(net, table, name)]
        least, most = _numbers(rows, table, low, name), _numbers(rows, table, high, name)
        where, hint = f"{table} {{}}.{low}", "Exchange the two, or correct them"
        _refuse_first(least > most, name, rows, where, hint, f"is {{}}, above {high} of {{}}", least, most)
