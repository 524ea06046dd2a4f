"""What a MATPOWER case may compute with: operators, functions, and the numbers of MATPOWER's columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tandem_sim.grids.errors import MatlabError
from tandem_sim.grids.matpower.values import (
    MAX_NUMBERS,
    MAX_WORK,
    Numbers,
    as_numbers,
    as_scalar,
    as_whole,
    check_fit,
    one_number,
    plain,
    shape_of,
)

COLUMNS = {
    "idx_bus": "PQ=1 PV=2 REF=3 NONE=4 BUS_I=1 BUS_TYPE=2 PD=3 QD=4 GS=5 BS=6 BUS_AREA=7 VM=8 VA=9 "
    "BASE_KV=10 ZONE=11 VMAX=12 VMIN=13 LAM_P=14 LAM_Q=15 MU_VMAX=16 MU_VMIN=17",
    "idx_brch": "F_BUS=1 T_BUS=2 BR_R=3 BR_X=4 BR_B=5 RATE_A=6 RATE_B=7 RATE_C=8 TAP=9 SHIFT=10 BR_STATUS=11 "
    "PF=14 QF=15 PT=16 QT=17 MU_SF=18 MU_ST=19 ANGMIN=12 ANGMAX=13 MU_ANGMIN=20 MU_ANGMAX=21",
    "idx_gen": "GEN_BUS=1 PG=2 QG=3 QMAX=4 QMIN=5 VG=6 MBASE=7 GEN_STATUS=8 PMAX=9 PMIN=10 MU_PMAX=22 "
    "MU_PMIN=23 MU_QMAX=24 MU_QMIN=25 PC1=11 PC2=12 QC1MIN=13 QC1MAX=14 QC2MIN=15 QC2MAX=16 RAMP_AGC=17 "
    "RAMP_10=18 RAMP_30=19 RAMP_Q=20 APF=21",
    "idx_cost": "PW_LINEAR=1 POLYNOMIAL=2 MODEL=1 STARTUP=2 SHUTDOWN=3 NCOST=4 COST=5",
}
"""Names of MATPOWER's columns and types, in the order in which ``idx_*`` return them (caseformat)."""


def named_columns(name: str) -> list[tuple[str, float]]:
    """Names that one of MATPOWER's ``idx_*`` functions returns, with their numbers."""
    pairs = (word.split("=") for word in COLUMNS[name].split())
    return [(key, float(number)) for key, number in pairs]


def _power(a: Numbers, b: Numbers) -> Numbers:
    if not np.iscomplexobj(a) and (a < 0).any() and not (b == np.floor(b)).all():
        a = a.astype(complex)
    result: Numbers = a**b
    return result


_ELEMENTWISE: dict[str, Callable[[Numbers, Numbers], Numbers]] = {
    "+": np.add,
    "-": np.subtract,
    ".*": np.multiply,
    "./": np.divide,
    ".\\": lambda a, b: np.divide(b, a),
    ".^": _power,
    "==": np.equal,
    "~=": np.not_equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "&": lambda a, b: (a != 0) & (b != 0),
    "|": lambda a, b: (a != 0) | (b != 0),
}
_OF_SCALARS = {"*": ".*", "/": "./", "\\": ".\\", "^": ".^"}
"""Matrix operators, which equal the elementwise ones if one operand is a scalar."""


def combined(sign: str, left: Any, right: Any) -> Numbers:
    """The result of an operator on two values."""
    if isinstance(left, str) and isinstance(right, str) and sign in ("==", "~=", "!="):
        raise MatlabError("compares texts by letters: strcmp compares them whole")
    a, b = as_numbers(left), as_numbers(right)
    if sign in _OF_SCALARS:
        if sign == "*" and 1 not in (a.size, b.size):
            if a.shape[1] != b.shape[0]:
                raise MatlabError(f"multiplies tables of {a.shape[1]} columns and {b.shape[0]} rows")
            if a.shape[0] * b.shape[1] > MAX_NUMBERS or a.size * b.shape[1] > MAX_WORK:
                raise MatlabError("multiplies tables that are too large")
            product: Numbers = a @ b
            return product
        divisor = {"*": 1, "/": b.size, "\\": a.size, "^": max(a.size, b.size)}[sign]
        if divisor != 1:
            raise MatlabError(
                f"uses {sign} with a table on the wrong side: not supported (.{sign} works by element)"
            )
        sign = _OF_SCALARS[sign]
    check_fit(a, b)
    return _ELEMENTWISE[sign](a, b)


# Functions of MATLAB, by the number of arguments they take


def _elementwise(function: Callable[[Numbers], Numbers]) -> Callable[..., Numbers]:
    def apply(value: Any) -> Numbers:
        return plain(np.asarray(function(as_numbers(value))))

    return apply


def _along(function: Callable[..., Numbers], keeps: bool = False) -> Callable[..., Numbers]:
    """A function of the columns of a table, of a row, or along a given dimension."""

    def apply(value: Any, dimension: Any = None) -> Numbers:
        numbers = as_numbers(value)
        if dimension is not None:
            axis = as_whole(dimension) - 1
            if axis not in (0, 1):
                raise MatlabError("works along a dimension that is neither 1 nor 2")
        else:
            axis = 1 if numbers.shape[0] == 1 else 0
        return np.asarray(function(numbers, axis) if keeps else function(numbers, axis=axis, keepdims=True))

    return apply


def _extreme(
    pair: Callable[[Numbers, Numbers], Numbers], along: Callable[..., Numbers]
) -> Callable[..., Numbers]:
    def apply(value: Any, other: Any = None, dimension: Any = None) -> Numbers:
        a = as_numbers(value)
        if other is not None and as_numbers(other).size:
            check_fit(a, as_numbers(other))
            return pair(a, as_numbers(other))
        if not a.size:
            return a
        return _along(along)(a, dimension)

    return apply


def _filled(fill: float) -> Callable[..., Numbers]:
    def apply(*sizes: Any) -> Numbers:
        rows, columns = _sizes(sizes)
        return np.full((rows, columns), fill)

    return apply


def _sizes(sizes: tuple[Any, ...]) -> tuple[int, int]:
    numbers = [n for size in sizes for n in as_numbers(size).ravel()]
    if len(numbers) > 2:
        raise MatlabError("makes a table of more than two dimensions")
    found = [max(as_whole(one_number(n)), 0) for n in numbers] or [1]
    rows, columns = found[0], found[-1]
    if rows * columns > MAX_NUMBERS:
        raise MatlabError(f"makes a table of more than {MAX_NUMBERS} numbers")
    return rows, columns


def _eye(*sizes: Any) -> Numbers:
    return np.eye(*_sizes(sizes))


def _size(value: Any, dimension: Any = None) -> Numbers:
    shape = shape_of(value)
    if dimension is None:
        return np.array([shape], dtype=float)
    at = as_whole(dimension)
    return one_number(float(shape[at - 1]) if at in (1, 2) else 1.0)


def _find(value: Any) -> Numbers:
    numbers = as_numbers(value)
    found = np.flatnonzero(numbers.ravel(order="F")) + 1.0
    return found.reshape((1, -1) if numbers.shape[0] == 1 and numbers.shape[1] != 1 else (-1, 1))


def _isfield(value: Any, name: Any) -> Numbers:
    return np.array([[isinstance(value, dict) and isinstance(name, str) and name in value]])


def _strcmp(a: Any, b: Any) -> Numbers:
    return np.array([[isinstance(a, str) and a == b]])


def _repmat(value: Any, *sizes: Any) -> Numbers:
    numbers, (rows, columns) = as_numbers(value), _sizes(sizes)
    if numbers.size * rows * columns > MAX_NUMBERS:
        raise MatlabError(f"makes a table of more than {MAX_NUMBERS} numbers")
    return np.tile(numbers, (rows, columns))


def _linspace(first: Any, last: Any, count: Any) -> Numbers:
    _sizes((count,))
    n = as_whole(count)
    if not 1 <= n <= MAX_NUMBERS:
        raise MatlabError("makes a row of no or too many numbers")
    return np.linspace(as_scalar(first), as_scalar(last), n).reshape(1, -1)


def _reshape(value: Any, rows: Any, columns: Any) -> Numbers:
    numbers = as_numbers(value)
    r, c = (-1 if not as_numbers(n).size else as_whole(n) for n in (rows, columns))
    try:
        return numbers.reshape((r, c), order="F")
    except ValueError:
        raise MatlabError("reshapes a table to another number of elements") from None


def _pair(function: Callable[[Numbers, Numbers], Numbers]) -> Callable[..., Numbers]:
    def apply(a: Any, b: Any) -> Numbers:
        check_fit(as_numbers(a), as_numbers(b))
        return function(as_numbers(a), as_numbers(b))

    return apply


def _struct(*pairs: Any) -> dict[str, Any]:
    if len(pairs) % 2 or any(not isinstance(name, str) for name in pairs[::2]):
        raise MatlabError("makes a struct of something else than names and values")
    return dict(zip(pairs[::2], pairs[1::2], strict=True))


def _diag(value: Any) -> Numbers:
    numbers = as_numbers(value)
    if 1 not in numbers.shape:
        return np.diag(numbers).reshape(-1, 1)
    if numbers.size**2 > MAX_NUMBERS:
        raise MatlabError(f"makes a table of more than {MAX_NUMBERS} numbers")
    return np.diag(numbers.ravel())


def _away_from_zero(a: Numbers) -> Numbers:
    half: Numbers = np.sign(a) * np.floor(np.abs(a) + 0.5)
    return half


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": _elementwise(np.abs),
    "acos": _elementwise(np.emath.arccos),
    "acosd": _elementwise(lambda a: np.rad2deg(np.emath.arccos(a))),
    "all": _along(np.all),
    "angle": _elementwise(np.angle),
    "any": _along(np.any),
    "asin": _elementwise(np.emath.arcsin),
    "atan": _elementwise(np.arctan),
    "atan2": _pair(np.arctan2),
    "ceil": _elementwise(np.ceil),
    "complex": _pair(lambda a, b: a + 1j * b),
    "conj": _elementwise(np.conj),
    "cos": _elementwise(np.cos),
    "cosd": _elementwise(lambda a: np.cos(np.deg2rad(a))),
    "cumsum": _along(np.cumsum, keeps=True),
    "deg2rad": _elementwise(lambda a: a * (np.pi / 180)),
    "diag": _diag,
    "double": lambda a: as_numbers(a),
    "exp": _elementwise(np.exp),
    "eye": _eye,
    "false": lambda *sizes: _filled(0.0)(*sizes) != 0,
    "find": _find,
    "fix": _elementwise(np.trunc),
    "floor": _elementwise(np.floor),
    "imag": _elementwise(np.imag),
    "isempty": lambda a: np.array([[0 in shape_of(a)]]),
    "isfield": _isfield,
    "isfinite": _elementwise(np.isfinite),
    "isinf": _elementwise(np.isinf),
    "ismember": lambda a, b: np.isin(as_numbers(a), as_numbers(b)),
    "isnan": _elementwise(np.isnan),
    "length": lambda a: one_number(0.0 if 0 in shape_of(a) else float(max(shape_of(a)))),
    "linspace": _linspace,
    "log": _elementwise(np.emath.log),
    "log10": _elementwise(np.emath.log10),
    "logical": lambda a: as_numbers(a) != 0,
    "max": _extreme(np.fmax, np.fmax.reduce),
    "mean": _along(np.mean),
    "min": _extreme(np.fmin, np.fmin.reduce),
    "mod": _pair(lambda a, b: np.where(b == 0, a, np.mod(a, np.where(b == 0, 1.0, b)))),
    "numel": lambda a: one_number(float(shape_of(a)[0] * shape_of(a)[1])),
    "ones": _filled(1.0),
    "power": lambda a, b: combined(".^", a, b),
    "prod": _along(np.prod),
    "rad2deg": _elementwise(lambda a: a * (180 / np.pi)),
    "real": _elementwise(np.real),
    "rem": _pair(np.fmod),
    "repmat": _repmat,
    "reshape": _reshape,
    "round": _elementwise(_away_from_zero),
    "sign": _elementwise(np.sign),
    "sin": _elementwise(np.sin),
    "sind": _elementwise(lambda a: np.sin(np.deg2rad(a))),
    "size": _size,
    "sqrt": _elementwise(np.emath.sqrt),
    "strcmp": _strcmp,
    "struct": _struct,
    "sum": _along(np.sum),
    "tan": _elementwise(np.tan),
    "tand": _elementwise(lambda a: np.tan(np.deg2rad(a))),
    "true": lambda *sizes: _filled(1.0)(*sizes) != 0,
    "unique": lambda a: np.unique(as_numbers(a)).reshape((1, -1) if shape_of(a)[0] == 1 else (-1, 1)),
    "zeros": _filled(0.0),
}
"""All functions that a text may call. None of them opens files, imports or starts anything."""
CONSTANTS = {
    "pi": np.pi,
    "Inf": np.inf,
    "inf": np.inf,
    "NaN": np.nan,
    "nan": np.nan,
    "eps": float(np.finfo(float).eps),
    "i": 1j,
    "j": 1j,
}
MANY = {name: [number for _, number in named_columns(name)] for name in COLUMNS}
