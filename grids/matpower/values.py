"""Values of MATLAB: tables of two dimensions, cells, and indices into them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tandem_sim.grids.errors import MatlabError

MAX_NUMBERS = 20_000_000
"""Most numbers of one array; the largest case of MATPOWER has 3 million in a table."""
MAX_WORK = 400_000_000
"""Most numbers computed in all, plus a thousand for every statement: beyond it a text is refused."""

Numbers = NDArray[Any]  # (rows, columns) of float, complex or bool


@dataclass
class Cell:
    """A cell array: values of any kind in rows and columns."""

    items: NDArray[np.object_]  # (rows, columns)


def as_numbers(value: Any) -> Numbers:
    """A value as numbers to compute with; logical values are 0 or 1."""
    if not isinstance(value, np.ndarray):
        kind = {str: "a text", dict: "a struct", Cell: "a cell array"}.get(type(value), "no number")
        raise MatlabError(f"computes with {kind}")
    return value.astype(float) if value.dtype == bool else value


def as_scalar(value: Any) -> float:
    """A value that is one real number."""
    numbers = as_numbers(value)
    if numbers.size != 1 or np.iscomplexobj(numbers):
        raise MatlabError("has a table instead of one real number")
    return float(numbers.flat[0])


def as_whole(value: Any) -> int:
    """A value that is one whole number."""
    number = as_scalar(value)
    if number != np.floor(number) or abs(number) > 1e9:
        raise MatlabError(f"has {number:g} instead of a whole number")
    return int(number)


def one_number(value: complex) -> Numbers:
    """A table of one number."""
    return np.array([[value]])


def holds(value: Any) -> bool:
    """Whether a condition is true: not empty, and without a zero."""
    numbers = as_numbers(value)
    return bool(numbers.size and (numbers != 0).all())


def plain(numbers: Numbers) -> Numbers:
    """Real numbers if all imaginary parts are zero."""
    return numbers.real if np.iscomplexobj(numbers) and not numbers.imag.any() else numbers


def check_fit(a: Numbers, b: Numbers) -> None:
    """Refuse two tables that cannot be combined element by element."""
    for one, other in zip(a.shape, b.shape, strict=True):
        if one != other and 1 not in (one, other):
            raise MatlabError(f"joins tables of {a.shape[0]} x {a.shape[1]} and {b.shape[0]} x {b.shape[1]}")
    if max(a.shape[0], b.shape[0]) * max(a.shape[1], b.shape[1]) > MAX_NUMBERS:
        raise MatlabError(f"makes a table of more than {MAX_NUMBERS} numbers")


def shape_of(value: Any) -> tuple[int, int]:
    """Rows and columns of a value of any kind."""
    if isinstance(value, Cell):
        return value.items.shape[0], value.items.shape[1]
    if isinstance(value, str):
        return (1 if value else 0), len(value)
    if isinstance(value, dict):
        return 1, 1
    return value.shape[0], value.shape[1]


def places_of(at: Any, count: int, grows: bool = False) -> NDArray[np.int64]:
    """Positions from zero that an index refers to, in the order of its elements."""
    if at is None:
        return np.arange(count)
    if not isinstance(at, np.ndarray):
        raise MatlabError("names a place by something else than numbers")
    flat = at.ravel(order="F")
    if flat.dtype == bool:
        places = np.flatnonzero(flat)
    else:
        if np.iscomplexobj(flat) or not np.isfinite(flat).all() or (flat != np.floor(flat)).any():
            raise MatlabError("names a place by a number that is not whole")
        if flat.size and (flat.min() < 1 or flat.max() > MAX_NUMBERS):
            raise MatlabError(
                f"names place {flat.min() if flat.min() < 1 else flat.max():g}, which cannot be"
            )
        places = flat.astype(np.int64) - 1
    if not grows and places.size and places.max() >= count:
        raise MatlabError(f"names place {places.max() + 1} of {count}")
    return places


def taken(table: NDArray[Any], at: list[Any]) -> NDArray[Any]:
    """Elements of a table, by one index in column order or by rows and columns."""
    if len(at) == 1:
        places = places_of(at[0], table.size)
        flat = table.ravel(order="F")[places]
        if at[0] is None:
            return flat.reshape(-1, 1)
        if at[0].dtype == bool and at[0].shape == table.shape and 1 not in table.shape:
            return flat.reshape(-1, 1)
        if 1 in table.shape and 1 in at[0].shape and table.size != 1:
            return flat.reshape((1, -1) if table.shape[0] == 1 else (-1, 1))
        if at[0].dtype == bool:
            return flat.reshape((1, -1) if at[0].shape[0] == 1 else (-1, 1))
        return flat.reshape(at[0].shape, order="F")
    if len(at) != 2:
        raise MatlabError("names a place by more than row and column")
    rows, columns = (places_of(a, n) for a, n in zip(at, table.shape, strict=True))
    if len(rows) * len(columns) > MAX_NUMBERS:
        raise MatlabError(f"makes a table of more than {MAX_NUMBERS} numbers")
    return table[np.ix_(rows, columns)]


def put(table: NDArray[Any], at: list[Any], value: NDArray[Any], blank: Any) -> NDArray[Any]:
    """The table with elements replaced; it grows if they lie outside."""
    if len(at) == 1:
        places = places_of(at[0], table.size, grows=True)
        if value.size not in (1, len(places)):
            raise MatlabError(f"puts {value.size} values into {len(places)} places")
        most = int(places.max()) + 1 if places.size else 0
        if most > table.size:
            if table.shape[0] > 1 and table.shape[1] != 1:
                raise MatlabError("grows a table by one index")
            table = _grown(table, *((most, 1) if table.shape[0] > 1 else (1, most)), blank)
        flat = table.ravel(order="F")
        flat = flat.astype(np.result_type(flat, value)) if flat.dtype != object else flat.copy()
        flat[places] = value.ravel(order="F")
        return flat.reshape(table.shape, order="F")
    if len(at) != 2:
        raise MatlabError("names a place by more than row and column")
    sizes = [n or value.shape[k] for k, n in enumerate(table.shape)]
    rows, columns = (places_of(a, n, grows=True) for a, n in zip(at, sizes, strict=True))
    if value.size != 1 and value.shape != (len(rows), len(columns)):
        row_or_column = 1 in value.shape and 1 in (len(rows), len(columns))
        if value.size != len(rows) * len(columns) or not row_or_column:
            shape = f"{value.shape[0]} x {value.shape[1]}"
            raise MatlabError(f"puts a table of {shape} into {len(rows)} x {len(columns)} places")
        value = value.reshape(len(rows), len(columns))
    needed = [int(places.max(initial=-1)) + 1 for places in (rows, columns)]
    table = _grown(table, max(table.shape[0], needed[0]), max(table.shape[1], needed[1]), blank)
    table = table.astype(np.result_type(table, value)) if table.dtype != object else table.copy()
    table[np.ix_(rows, columns)] = value
    return table


def _grown(table: NDArray[Any], rows: int, columns: int, blank: Any) -> NDArray[Any]:
    if (rows, columns) == table.shape:
        return table
    if rows * columns > MAX_NUMBERS:
        raise MatlabError(f"makes a table of more than {MAX_NUMBERS} numbers")
    larger = np.full((rows, columns), blank, dtype=object if table.dtype == object else table.dtype)
    larger[: table.shape[0], : table.shape[1]] = table
    return larger


def without(table: NDArray[Any], at: list[Any]) -> NDArray[Any]:
    """The table without the rows, columns or elements that are set to ``[]``."""
    if len(at) == 1:
        if 1 not in table.shape and table.size:
            raise MatlabError("takes single elements out of a table")
        left = np.delete(table.ravel(order="F"), places_of(at[0], table.size))
        return left.reshape((-1, 1) if table.shape[1] == 1 and table.shape[0] != 1 else (1, -1))
    if len(at) != 2:
        raise MatlabError("names a place by more than row and column")
    rows, columns = (places_of(a, n) for a, n in zip(at, table.shape, strict=True))
    if len(np.unique(columns)) == table.shape[1]:
        return np.delete(table, rows, axis=0)
    if len(np.unique(rows)) == table.shape[0]:
        return np.delete(table, columns, axis=1)
    raise MatlabError("takes single elements out of a table")
