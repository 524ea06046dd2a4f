"""pandapower JSON, of this and of earlier versions of pandapower, read without running a stranger's code."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import pandas as pd
from pandapower.auxiliary import pandapowerNet

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.simbench_taps import with_simbench_taps
from tandem_sim.grids.text import one_line

SAFE_CLASSES = {
    ("pandapower.auxiliary", "pandapowerNet"),
    ("pandas.core.frame", "DataFrame"),
    ("pandas.core.series", "Series"),
    ("pandas", "DataFrame"),
    ("pandas", "Series"),
    ("numpy", "ndarray"),
    ("numpy", "array"),
    ("builtins", "tuple"),
    ("builtins", "set"),
    ("builtins", "frozenset"),
}
"""What a pandapower JSON may ask to be rebuilt. All else would import and run a stranger's choice of code."""

NUMBERS = {
    *(("numpy", f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *(("numpy", name) for name in ("float16", "float32", "float64", "bool", "bool_")),
}
"""Kinds of single numbers that pandapower writes as objects. They are read here, as plain numbers."""
TABLE_KEYS = {
    *("_module", "_class", "_object", "orient", "typ", "dtype", "is_multiindex", "is_multicolumn"),
    *("index_name", "index_names", "column_name", "column_names"),
}
"""What pandapower writes of a table. More would be handed to ``pandas.read_json``."""
REFUSED = (
    AttributeError,
    LookupError,
    NotImplementedError,
    RecursionError,
    TypeError,
    UserWarning,
    ValueError,
)
"""What pandapower raises on tables that are not whole."""


def read_pandapower_json(text: str, path: Path) -> pandapowerNet:
    """The net of a pandapower JSON, converted to the format of today. `path` is what errors name.

    Raises `InputError` for text that is no JSON, names a class that is none of `SAFE_CLASSES`, or is no net.
    """
    tree = _tree(text, path)
    nets = 0
    numbers = False
    for module, name in _named_classes(tree, path):
        nets += name == pandapowerNet.__name__
        if (module, name) in NUMBERS:
            numbers = True
        elif (module, name) not in SAFE_CLASSES:
            raise InputError(
                str(path),
                "_module",
                f"names {one_line(f'{module}.{name}')}, which reading the file would import",
                "Only plain network tables are read: save the net without controllers and other objects",
            )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # notes on files of older pandapower versions
        try:
            if numbers:
                text = json.dumps(_with_plain_numbers(tree))
            # A net is filled into an empty one, half of the work. Nets in a net need one each.
            empty = deepcopy(_empty()) if nets == 1 else None
            net = pp.from_json_string(text, empty_dict_like_object=empty)
        except REFUSED as error:
            raise _unreadable(path, error) from error
        if not isinstance(net, pandapowerNet):
            raise InputError(
                str(path), "net", "is not a pandapower network", "Write it with pandapower.to_json"
            )
        try:
            return with_simbench_taps(_converted(net))
        except REFUSED as error:
            raise _unreadable(path, error) from error


class _TwiceError(ValueError):
    """A key that stands twice in one object: readers of JSON differ in which value they take."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise _TwiceError(next(key for key in keys if keys.count(key) > 1))
    return found


def _loads(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_once)


def _tree(text: str, path: Path) -> Any:
    try:
        return _loads(text)
    except _TwiceError as error:
        raise _twice(path, error) from error
    except json.JSONDecodeError as error:
        raise InputError(
            str(path),
            f"line {error.lineno}",
            f"is not JSON ({error.msg})",
            "Write it with pandapower.to_json",
        ) from error
    except (RecursionError, ValueError) as error:  # too deep, or a number of thousands of digits
        raise InputError(
            str(path), "net", f"cannot be read ({one_line(error)})", "Write it with pandapower.to_json"
        ) from error


def _unreadable(path: Path, error: BaseException) -> InputError:
    shown = one_line(error)
    shown = f"no {shown}" if isinstance(error, KeyError) else shown
    return InputError(
        str(path), "net", f"pandapower cannot read it ({shown})", "Write it with pandapower.to_json"
    )


def _twice(path: Path, error: _TwiceError) -> InputError:
    return InputError(str(path), one_line(error)[:60], "stands twice in one object", "Keep one of the two")


@cache
def _empty() -> pandapowerNet:
    return pp.create_empty_network()


def _named_classes(tree: Any, path: Path) -> Iterator[tuple[str, str]]:
    """Every class a pandapower JSON names, strings that hold JSON of their own included.

    Content that Python and pandas could read in different ways is refused: classes hide in the difference.
    """
    stack = [tree]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            if "_module" in item or "_class" in item:
                module, name = str(item.get("_module")), str(item.get("_class"))
                yield module, name
                content = item.get("_object")
                if isinstance(content, str) and (module, name) not in NUMBERS:
                    if content.lstrip()[:1] not in ("{", "["):
                        yield "the file", content  # pandapower would open such a string as a path
                    _check_content(content, path)
                if name in ("DataFrame", "Series") and not set(item) <= TABLE_KEYS:
                    raise InputError(
                        str(path),
                        one_line(min(set(item) - TABLE_KEYS))[:60],
                        f"says how a {name} is to be read, and is not known",
                        "Write the file with pandapower.to_json",
                    )
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, str) and item.lstrip()[:1] in ("{", "["):
            try:
                stack.append(_loads(item))
            except json.JSONDecodeError:
                continue  # an ordinary string that happens to start with a bracket
            except _TwiceError as error:
                raise _twice(path, error) from error


def _check_content(content: str, path: Path) -> None:
    try:
        json.loads(content)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(
            str(path),
            "_object",
            f"holds a table that is not JSON ({one_line(error)})",
            "Write the file with pandapower.to_json",
        ) from error


def _with_plain_numbers(item: Any) -> Any:
    """The tree with numbers that are written as objects as plain ones, strings of JSON included."""
    if isinstance(item, dict):
        if (str(item.get("_module")), str(item.get("_class"))) in NUMBERS and "_object" in item:
            return _plain_number(str(item["_class"]), item["_object"])
        return {key: _with_plain_numbers(value) for key, value in item.items()}
    if isinstance(item, list):
        return [_with_plain_numbers(value) for value in item]
    if isinstance(item, str) and item.lstrip()[:1] in ("{", "["):
        try:
            inner = json.loads(item)
        except json.JSONDecodeError:
            return item
        plain = _with_plain_numbers(inner)
        return item if plain == inner else json.dumps(plain)
    return item


def _plain_number(name: str, value: Any) -> float | int | bool:
    if name.startswith("bool"):
        if str(value).lower() not in ("true", "false"):
            raise ValueError(f"{one_line(value)!a} is neither true nor false")
        return str(value).lower() == "true"
    return int(value) if "int" in name else float(value)


def _converted(net: pandapowerNet) -> pandapowerNet:
    """The net in the format of today, as ``pandapower.from_json`` converts it.

    pandapower drops the flag ``tap_phase_shifter`` of its versions before 3, and guesses what taps do from
    their steps. Here the flag decides: an ideal phase shifter stays one although its step is in percent, and
    a ratio that has only a step in degrees does nothing, as it did.
    """
    flags = {
        (name, tap): net[name][f"tap{tap}_phase_shifter"].copy()
        for name in ("trafo", "trafo3w")
        for tap in ("", "2")
        if isinstance(net.get(name), pd.DataFrame) and f"tap{tap}_phase_shifter" in net[name]
    }
    for name, tap in flags:
        for column in (f"tap{tap}_step_degree", f"tap{tap}_step_percent"):
            if column not in net[name]:
                net[name][column] = np.nan
    pp.convert_format(net)
    for (name, tap), flag in flags.items():
        column = f"tap{tap}_changer_type"
        if column not in net[name]:
            continue
        ideal = flag.fillna(False).astype(bool)
        step = pd.to_numeric(net[name][f"tap{tap}_step_percent"], errors="coerce").fillna(0.0)
        net[name].loc[ideal, column] = "Ideal"
        net[name].loc[~ideal & (step == 0), column] = None
    return net
