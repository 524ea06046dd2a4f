"""Tables and objects of a pandapower JSON, built from its values only.

pandapower's own decoder looks for objects in every cell of every table, and imports the module that such an
object names. It also reads tables with another parser than the text around them, so one parser may see an
object where the other sees none. Here a text is parsed once, by one parser, and only classes of a fixed list
are built, by the code of this module.
"""

from __future__ import annotations

import json
import re
from ast import literal_eval
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import pandas as pd
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.documents.json_reader import once, twice
from tandem_sim.grids.documents.text import one_line, shown
from tandem_sim.grids.errors import InputError

NUMBERS = {
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *("float16", "float32", "float64", "bool", "bool_"),
}
"""Single numbers of numpy that pandapower writes as objects. They become plain numbers."""
TABLE_KEYS = {
    *("_module", "_class", "_object", "orient", "typ", "dtype", "is_multiindex", "is_multicolumn"),
    *("index_name", "index_names", "column_name", "column_names"),
}
"""Keys that pandapower writes for a table; any other key would change how it is read."""
WHOLE = re.compile(r"u?int(8|16|32|64)")
REAL = re.compile(r"float(16|32|64)")
OBJECT = re.compile(r"object|bool")
OTHER = re.compile(
    r"str|string|category|boolean|U?Int(8|16|32|64)|Float(32|64)|(datetime|timedelta)64\[(s|ms|us|ns)\]"
)
"""Types of columns; others are refused."""
LONGEST_NAME = 1000
"""Most characters in the name of a row or column that is a tuple."""
WRITE = "Write the file with pandapower.to_json"


def parsed(text: str, path: Path, field: str = "net") -> Any:
    """The value of a JSON text. Invalid JSON, or a key twice in one object, is an `InputError` on `field`."""
    try:
        return json.loads(text, object_pairs_hook=once)
    except KeyError as error:
        raise twice(text, str(path)) from error
    except json.JSONDecodeError as error:
        if field == "net":
            field = f"line {error.lineno}"
        raise InputError(str(path), field, f"is not JSON ({one_line(error)})", WRITE) from error
    except (RecursionError, ValueError) as error:  # nested too deeply, or a number of thousands of digits
        raise InputError(str(path), field, f"cannot be read ({one_line(error)})", WRITE) from error


def made(item: Any, path: Path, place: str = "net") -> Any:
    """A parsed JSON with the tables and objects that it describes. Errors name `path` and `place`.

    Raises `InputError` for a class outside the fixed list, and for an incomplete table.
    """
    if isinstance(item, dict):
        if "_module" in item or "_class" in item:
            return _object(item, path, place)
        return {key: made(value, path, key) for key, value in item.items()}
    if isinstance(item, list):
        return [made(value, path, place) for value in item]
    if isinstance(item, str) and "_module" in item:  # pandapower.to_json writes such a text as an object
        raise _foreign(path, place, "a class in a text")
    return item


def _foreign(path: Path, place: str, what: str) -> InputError:
    return InputError(
        str(path),
        "_module",
        f"names {what}, which reading the file would import ({shown(place)})",
        "Only plain network tables are read: save the net without controllers and other objects",
    )


def _object(item: dict[str, Any], path: Path, place: str) -> Any:
    module, name = item.get("_module"), item.get("_class")
    maker = MAKERS.get((module, name)) if isinstance(module, str) and isinstance(name, str) else None
    if maker is None:
        raise _foreign(path, place, one_line(f"{shown(module)}.{shown(name)}".replace("'", "")))
    if "_object" not in item:
        raise InputError(str(path), place, f"is a {name} without _object", WRITE)
    try:
        return maker(item, path, place)
    except InputError:
        raise
    except Exception as error:  # of pandas or numpy: values that do not fit the class
        raise InputError(str(path), place, f"makes no {name} ({one_line(error)})", WRITE) from error


# One function per class


def _net(item: dict[str, Any], path: Path, place: str) -> pandapowerNet:
    content = item["_object"]
    if isinstance(content, str):  # a net in a net, as versions before 2.2 wrote it
        return made(parsed(content, path, place), path, place)
    if not isinstance(content, dict):
        raise InputError(str(path), place, "is not a pandapower network", WRITE)
    net = deepcopy(_empty())
    net.update(made(content, path, place))
    return net


@cache
def _empty() -> pandapowerNet:
    return pp.create_empty_network()


def _number(item: dict[str, Any], path: Path, place: str) -> float | int | bool:
    name, value = str(item["_class"]), item["_object"]
    if not isinstance(value, str | int | float):
        raise ValueError(f"{shown(value)} is no number")
    if name.startswith("bool"):
        if str(value).lower() not in ("true", "false"):
            raise ValueError(f"{shown(value)} is neither true nor false")
        return str(value).lower() == "true"
    return int(value) if "int" in name else float(value)


def _array(item: dict[str, Any], path: Path, place: str) -> Any:
    return np.array(_list(item, path, place))


def _list(item: dict[str, Any], path: Path, place: str) -> list[Any]:
    if not isinstance(item["_object"], list):
        raise ValueError(f"{shown(item['_object'])} is no list")
    return [made(value, path, place) for value in item["_object"]]


def _table_content(item: dict[str, Any], path: Path, place: str) -> dict[str, Any]:
    """The content of a table: its parts, or its columns by name."""
    unknown = set(item) - TABLE_KEYS
    if unknown:
        problem = f"says how a {item['_class']} is to be read, and is not known"
        raise InputError(str(path), one_line(min(unknown))[:60], problem, WRITE)
    if not isinstance(item["_object"], str):
        raise InputError(str(path), place, f"holds {shown(item['_object'])}, which is no table", WRITE)
    content = parsed(item["_object"], path, "_object")
    if not isinstance(content, dict):
        raise InputError(str(path), place, "holds a table without columns and rows", WRITE)
    return content


def _frame(item: dict[str, Any], path: Path, place: str) -> pd.DataFrame:
    content = _table_content(item, path, place)
    split = item.get("orient") == "split"
    frame = _split(content, path, place) if split else pd.DataFrame(content)
    if not split or not len(frame):
        frame.index = _whole_names(frame.index)
    if not split:
        frame.columns = _whole_names(frame.columns)
    if not frame.columns.is_unique:
        column = frame.columns[frame.columns.duplicated()][0]
        raise InputError(str(path), f"{place}.{one_line(column)}", "occurs twice", "Keep one of the two")
    types = item.get("dtype") or {}
    columns = [
        _typed(frame[column], types.get(column), path, f"{place}.{one_line(column)}") for column in frame
    ]
    found = pd.DataFrame(dict(enumerate(columns)), index=frame.index)
    found.columns = frame.columns
    found.index = _named(found.index, item, "index")
    found.columns = _named(found.columns, item, "column")
    return found


def _split(content: dict[str, Any], path: Path, place: str) -> pd.DataFrame:
    """A table given by column names, row names and rows."""
    columns, index, rows = (content.get(part) for part in ("columns", "index", "data"))
    if len(content) != 3 or not (
        isinstance(columns, list) and isinstance(index, list) and isinstance(rows, list)
    ):
        raise InputError(str(path), place, "is not made of columns, index and data", WRITE)
    for name in (*columns, *index):
        if isinstance(name, dict | list):
            raise InputError(str(path), place, f"has {shown(name)} as the name of a row or column", WRITE)
    if len(rows) != len(index):
        raise InputError(str(path), place, f"has {len(rows)} rows and {len(index)} names of rows", WRITE)
    for name, row in zip(index, rows, strict=True):
        if not isinstance(row, list) or len(row) != len(columns):
            problem = f"is {shown(row)}, the table has {len(columns)} columns"
            raise InputError(str(path), f"{place} {one_line(name)}", problem, WRITE)
    return pd.DataFrame(rows, index=index, columns=columns)


def _series(item: dict[str, Any], path: Path, place: str) -> pd.Series[Any]:
    content = _table_content(item, path, place)
    if item.get("orient") == "split":
        values = pd.Series(content["data"], index=content["index"], name=content.get("name"))
    else:
        values = pd.Series(content)
    values = _typed(values, item.get("dtype"), path, place)
    values.index = _named(values.index, item, "index")
    return values


def _whole_names(names: pd.Index[Any]) -> pd.Index[Any]:
    """Names of rows or columns as whole numbers where they are: keys of JSON are text."""
    try:
        return names.astype(np.int64)
    except (TypeError, ValueError, OverflowError):
        return names


def _named(names: pd.Index[Any], item: dict[str, Any], axis: str) -> pd.Index[Any]:
    """Names of rows or columns with their common name, or as tuples."""
    together = item.get(f"{axis}_name")
    if together is not None:
        names = names.rename(one_line(together))
    if not item.get(f"is_multi{axis}"):
        return names
    levels = item.get(f"{axis}_names")
    if not len(names):
        return pd.MultiIndex.from_frame(pd.DataFrame(columns=levels, dtype=np.int64))
    if max(len(str(name)) for name in names) > LONGEST_NAME:
        raise ValueError(f"a name of more than {LONGEST_NAME} characters")
    return pd.MultiIndex.from_tuples([literal_eval(str(name)) for name in names], names=levels)


def _typed(values: pd.Series[Any], kind: Any, path: Path, place: str) -> pd.Series[Any]:
    """A column converted to its stated type. Values that do not fit stay; later checks refuse them if needed.

    Other numbers are not truncated to whole numbers: that is an `InputError`.
    """
    if kind is not None and not (
        isinstance(kind, str) and any(known.fullmatch(kind) for known in (WHOLE, REAL, OTHER, OBJECT))
    ):
        raise InputError(
            str(path), place, f"has the dtype {shown(kind)}", "Give numbers, flags and texts alone"
        )
    if kind is not None and not len(values):
        return _astype(values, kind)
    if kind is not None and str(values.dtype) != kind:
        values = _converted(values, kind, path, place)
    if values.dtype != object:
        return values
    cells = np.empty(len(values), dtype=object)
    for k, value in enumerate(values):
        empty = value is None or value != value if isinstance(value, float | None) else False
        cells[k] = None if empty else made(value, path, place)
    return pd.Series(cells, index=values.index, name=values.name)


def _converted(values: pd.Series[Any], kind: str, path: Path, place: str) -> pd.Series[Any]:
    numeric = values.dtype.kind in "iuf"
    if WHOLE.fullmatch(kind):
        if not numeric or values.isna().any():
            return values
        held = np.iinfo(kind)
        wrong = ((values != np.floor(values)) | (values < held.min) | (values > held.max)).to_numpy()
        if wrong.any():
            k = int(np.argmax(wrong))
            problem = f"is {values.iloc[k]:g}, which the dtype {kind} of its column does not hold"
            raise InputError(str(path), place, f"in row {values.index[k]} {problem}", "Give a whole number")
        return _astype(values, kind)
    if REAL.fullmatch(kind):
        blank = values.isna().all()
        return _astype(values, kind) if numeric or blank or _all_numbers(values) else values
    if kind == "bool":
        return _astype(values, bool) if numeric and values.isin([0, 1]).all() else values
    try:
        return _astype(values, kind)
    except (TypeError, ValueError):
        return values


def _astype(values: pd.Series[Any], kind: Any) -> pd.Series[Any]:
    found: pd.Series[Any] = values.astype(kind)
    return found


def _all_numbers(values: pd.Series[Any]) -> bool:
    """Whether a column of objects holds numbers only, including whole numbers beyond 64 bits."""
    return values.dtype == object and all(
        value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values
    )


MAKERS: dict[tuple[str, str], Callable[[dict[str, Any], Path, str], Any]] = {
    ("pandapower.auxiliary", "pandapowerNet"): _net,
    ("pandas.core.frame", "DataFrame"): _frame,
    ("pandas", "DataFrame"): _frame,
    ("pandas.core.series", "Series"): _series,
    ("pandas", "Series"): _series,
    ("numpy", "array"): _array,
    ("numpy", "ndarray"): _array,
    ("builtins", "tuple"): lambda *given: tuple(_list(*given)),
    ("builtins", "set"): lambda *given: set(_list(*given)),
    ("builtins", "frozenset"): lambda *given: frozenset(_list(*given)),
    **{("numpy", name): _number for name in NUMBERS},
}
"""Classes that a pandapower JSON may name, and the function that builds each."""
