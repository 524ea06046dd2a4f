"""Checks of a pandapower net before it is solved: numbers where numbers are needed, within their range.

pandapower solves a net that contains nan, and returns voltages of nan; a line without impedance ends in "no
solution". Here every such value is named by table, row and column.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.documents.text import shown
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.network.contents import MODELLED
from tandem_sim.grids.network.ranges import COLUMNS, HERTZ, MAX_INDEX, MVA, SWITCH_OHM, Number
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray

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
NO_TAP_CHANGER = ("", "nan", "None")  # pandapower's values for no tap changer
TAP_SIDES = {"trafo": ("hv", "lv"), "trafo3w": ("hv", "mv", "lv")}
SWITCHED = {"l": "line", "t": "trafo", "t3": "trafo3w", "b": "bus"}
"""Kind of element that a switch connects, by its column ``et``."""


def in_service(net: pandapowerNet, table: str, name: str) -> BoolArray:
    """Which rows of a table are in service. A value other than True and False is an `InputError`."""
    return flags(net[table], table, "in_service", name)


def check_net(net: pandapowerNet, name: str) -> None:
    """Raise an `InputError` for the first value that no power flow can use, by table, row and column.

    Rows in service are checked: numbers are finite and within their range, buses and switched elements exist,
    branches have an impedance, lower limits are not above upper ones. `name` is the grid's. Columns of the
    net become plain numbers and flags. Unusable values out of service are replaced by usable ones, because
    pandapower multiplies them by zero.
    """
    for field, rule, what in (
        ("sn_mva", MVA, "a base power in MVA"),
        ("f_hz", HERTZ, "a frequency in Hz"),
    ):
        value = _real(net.get(field))
        if not rule.least <= value <= rule.most:
            raise InputError(name, field, f"is {shown(net.get(field))}", f"Give {what}, {rule.words}")
    _check_tables(net, name)
    for table, rules in COLUMNS.items():
        if not len(net[table]):
            continue
        on = in_service(net, table, name)
        net[table]["in_service"] = on
        for column, rule in rules.items():
            _check_column(net[table], table, column, rule, on, name)
    for table, columns in BUS_COLUMNS.items():
        if len(net[table]):
            _check_buses(net, table, columns, name)
    _check_switches(net, name)
    _check_taps(net, name)
    _check_impedances(net, name)
    _check_order(net, name)


def _check_tables(net: pandapowerNet, name: str) -> None:
    """Every table that is read exists, has named columns, and has a unique number for each row."""
    for table in MODELLED:
        if table not in net or not isinstance(net[table], pd.DataFrame):
            hint = "Write the net with pandapower.to_json, which writes every table"
            raise InputError(name, table, "the table is missing", hint)
        nameless = [column for column in net[table].columns if not isinstance(column, str)]
        if nameless:
            problem = f"has a column {shown(nameless[0])}: columns have names"
            raise InputError(name, table, problem, "Give it a name, or remove it")
        index = net[table].index
        if not len(index):
            continue
        twice = index.duplicated()
        if twice.any():
            problem = f"{table} {shown(index[twice][0])} occurs twice"
            raise InputError(name, table, problem, "Give every row an index of its own")
        if not pd.api.types.is_integer_dtype(index) or index.min() < 0 or index.max() > MAX_INDEX:
            wrong = next((k for k in index if not 0 <= _real(k) <= MAX_INDEX or _real(k) % 1), index[0])
            problem = f"has a row {shown(wrong)}: its index does not number its rows"
            raise InputError(name, table, problem, f"Give every row a whole number from 0 to {MAX_INDEX}")


def _check_taps(net: pandapowerNet, name: str) -> None:
    """Tap changers have a known kind, a known side and a position within their range.

    pandapower silently ignores other kinds and sides, and accepts any position.
    """
    for table, sides in TAP_SIDES.items():
        for tap in ("tap", "tap2"):
            for column, known in ((f"{tap}_changer_type", TAP_CHANGERS), (f"{tap}_side", sides)):
                for index, kind in net[table].get(column, pd.Series(dtype=object)).items():
                    if not _is_empty(kind) and not _is_one_of(kind, known + NO_TAP_CHANGER):
                        raise InputError(
                            name,
                            f"{table} {index}.{column}",
                            f"is {shown(kind)}",
                            f"Use one of {', '.join(known)}, or leave it empty for none",
                        )
            _check_positions(net[table], table, tap, name)


def _check_positions(rows: pd.DataFrame, table: str, tap: str, name: str) -> None:
    if not len(rows) or f"{tap}_pos" not in rows:
        return
    rows = rows[rows["in_service"]]
    position = _numbers(rows, table, f"{tap}_pos", name)
    for column, below in ((f"{tap}_min", True), (f"{tap}_max", False)):
        if column in rows:
            end = _numbers(rows, table, column, name)
            wrong = position < end if below else position > end
            where, hint = f"{table} {{}}.{tap}_pos", "Give a position from the lowest to the highest"
            problem = f"is {{}}, {'below' if below else 'above'} {column} of {{}}"
            _refuse_first(wrong, name, rows, where, hint, problem, position, end)


def _is_one_of(value: object, known: Iterable[str]) -> bool:
    return isinstance(value, str) and value in known


def _is_empty(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float | np.floating) and np.isnan(value))


def _real(value: Any) -> float:
    """A number as float; nan for everything else, including flags and texts."""
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        return float("nan")
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def flags(rows: pd.DataFrame, table: str, column: str, name: str) -> BoolArray:
    """A column of True and False. Any other value is an `InputError`."""
    if column not in rows:
        raise InputError(
            name, f"{table}.{column}", "the column is missing", "Give True or False in every row"
        )
    values = rows[column]
    if values.dtype == np.dtype(bool):
        return np.asarray(values.to_numpy(dtype=bool))
    cells = list(values)
    wrong = np.array(
        [not isinstance(v, bool | np.bool_) and _real(v) not in (0.0, 1.0) for v in cells], dtype=bool
    )
    _refuse_first(wrong, name, rows, f"{table} {{}}.{column}", "Give True or False", "is {}", values)
    return np.array([bool(v) for v in cells], dtype=bool)


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

    `where` has a placeholder for its index, `problem` one for each of `values`.
    """
    if wrong.any():
        k = int(np.argmax(wrong))
        shown = [_word(np.asarray(column, dtype=object)[k]) for column in values]
        raise InputError(name, where.format(rows.index[k]), problem.format(*shown), hint)


def _word(value: object) -> str:
    return "empty" if _is_empty(value) else shown(value, 40)


def _numbers(
    rows: pd.DataFrame, table: str, column: str, name: str, hint: str = "Give a number"
) -> FloatArray:
    """A column as numbers, nan where it is empty; texts, flags and other types are an `InputError`."""
    values = rows[column]
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "iuf":
        return np.asarray(values.to_numpy(dtype=float))
    numbers = np.array([_real(value) for value in values], dtype=float)
    wrong = np.isnan(numbers) & ~np.array([_is_empty(value) for value in values], dtype=bool)
    _refuse_first(wrong, name, rows, f"{table} {{}}.{column}", hint, "is {}", values)
    return numbers


def _check_column(
    rows: pd.DataFrame, table: str, column: str, rule: Number, on: BoolArray, name: str
) -> None:
    """Refuse a value in service outside its range, and make the column one of plain numbers."""
    if column not in rows:
        if rule.default is not None:
            rows[column] = rule.default
        if rule.absent:
            return
        raise InputError(
            name, f"{table}.{column}", "the column is missing", f"Give {rule.words} in every row"
        )
    values = np.full(len(rows), np.nan)
    values[on] = _numbers(rows[on], table, column, name)
    if not on.all():
        values[~on] = [_real(value) for value in rows[column][~on]]
    fine = (values >= rule.least) & (values <= rule.most) & ((values != rule.least) | rule.zero)
    if rule.infinite:
        fine |= values == np.inf
    if rule.absent:
        fine |= np.isnan(values)
    hint = f"Give {rule.words}, or take the element out of service"
    where = f"{table} {{}}.{column}"
    _refuse_first(on & ~fine, name, rows, where, hint, "is {}", values)
    plain = isinstance(rows[column].dtype, np.dtype) and rows[column].dtype.kind in "iuf"
    if not fine.all() or not plain:
        rows[column] = np.where(fine, values, 1.0)  # unused: pandapower multiplies them by zero


def _check_buses(net: pandapowerNet, table: str, columns: tuple[str, ...], name: str) -> None:
    for column in columns:
        if column not in net[table]:
            raise InputError(name, f"{table}.{column}", "the column is missing", "Give the index of a bus")
        rows = net[table]
        numbers = _references(rows, table, column, net.bus.index, "bus", name)
        if not pd.api.types.is_integer_dtype(rows[column]):
            rows[column] = numbers


def _references(
    rows: pd.DataFrame, table: str, column: str, known: pd.Index[Any], of: str, name: str
) -> IntArray:
    """A column that refers to rows of table `of`, as whole numbers."""
    hint = f"Use an index of table {of}"
    numbers = _numbers(rows, table, column, name, hint)
    wrong = ~np.isin(numbers, known.to_numpy(dtype=float))
    empty = np.isnan(numbers)
    where = f"{table} {{}}.{column}"
    _refuse_first(empty, name, rows, where, hint, "is {}", numbers)
    _refuse_first(wrong, name, rows, where, hint, f"{of} {{}} does not exist", rows[column])
    return numbers.astype(np.int64)


def _check_switches(net: pandapowerNet, name: str) -> None:
    rows = net.switch
    if not len(rows):
        return
    rows["closed"] = flags(rows, "switch", "closed", name)
    _check_column(rows, "switch", "z_ohm", SWITCH_OHM, np.ones(len(rows), dtype=bool), name)
    for column in ("et", "element"):
        if column not in rows:
            raise InputError(
                name, f"switch.{column}", "the column is missing", "Give the element of each switch"
            )
    unknown = np.array([not _is_one_of(et, SWITCHED) for et in rows["et"]], dtype=bool)
    hint = f"Use one of {', '.join(SWITCHED)}"
    _refuse_first(unknown, name, rows, "switch {}.et", hint, "is {}", rows["et"])
    element = np.zeros(len(rows), dtype=np.int64)
    for et, table in SWITCHED.items():
        those = (rows["et"] == et).to_numpy(dtype=bool)
        element[those] = _references(rows[those], "switch", "element", net[table].index, table, name)
    if not pd.api.types.is_integer_dtype(rows["element"]):
        rows["element"] = element


def _live(net: pandapowerNet, table: str, name: str) -> pd.DataFrame:
    """Rows in service."""
    rows: pd.DataFrame = net[table]
    return rows[in_service(net, table, name)] if len(rows) else rows


def _check_impedances(net: pandapowerNet, name: str) -> None:
    """Branches in service have an impedance, and transformers no resistance above the impedance."""
    for table, parts in (
        ("line", (("r_ohm_per_km", "x_ohm_per_km"),)),
        ("impedance", (("rft_pu", "xft_pu"), ("rtf_pu", "xtf_pu"))),
        ("xward", (("r_ohm", "x_ohm"),)),
    ):
        rows = _live(net, table, name)
        if len(rows):
            for r, x in parts:
                none = (rows[r].to_numpy(dtype=float) == 0.0) & (rows[x].to_numpy(dtype=float) == 0.0)
                hint = "Give it one, or join its buses by a closed switch"
                problem = f"has no impedance ({r} and {x} are zero)"
                _refuse_first(none, name, rows, f"{table} {{}}", hint, problem)
    for table, sides in (("trafo", ("",)), ("trafo3w", ("hv_", "mv_", "lv_"))):
        rows = _live(net, table, name)
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
