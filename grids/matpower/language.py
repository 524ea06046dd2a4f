"""The part of the MATLAB language that MATPOWER cases use, executed without MATLAB.

Tables, assignments to parts of tables, arithmetic, ``if`` and ``for``, structs, cells and a fixed list of
functions. A text cannot open files, import modules or call other code. Anything else is refused with its
line. Numbers are arrays of two dimensions, as in MATLAB.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tandem_sim.grids.errors import MatlabError
from tandem_sim.grids.matpower.functions import COLUMNS, CONSTANTS, FUNCTIONS, MANY, combined, named_columns
from tandem_sim.grids.matpower.statements import Node, Statement, statements
from tandem_sim.grids.matpower.values import (
    MAX_NUMBERS,
    MAX_WORK,
    Cell,
    Numbers,
    as_numbers,
    as_scalar,
    as_whole,
    holds,
    one_number,
    plain,
    put,
    shape_of,
    taken,
    without,
)


def run(text: str) -> tuple[dict[str, Any], list[str]]:
    """Execute a text: its variables, and the names its function returns.

    Values are arrays (rows, columns), `str`, `dict` (structs) and `Cell`. Raises `MatlabError` with the line.
    """
    machine = _Machine()
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        for statement in statements(text):
            machine.do(statement)
    return machine.names, machine.returned


@dataclass
class _Machine:
    """The state of the execution."""

    names: dict[str, Any] = field(default_factory=dict)
    returned: list[str] = field(default_factory=list)
    work: int = 0
    inside: list[tuple[int, ...]] = field(default_factory=list)  # shapes that `end` refers to, innermost last

    # Statements

    def do(self, statement: Statement) -> None:
        """Execute one statement; errors get its line."""
        try:
            self._spend(1000)
            self._do(statement)
        except MatlabError as refused:
            if not refused.line:
                raise MatlabError(refused.why, statement.line) from None
            raise
        except RecursionError:
            raise MatlabError("is nested too deeply", statement.line) from None
        except MemoryError:
            raise MatlabError("needs more memory than there is", statement.line) from None

    def _do(self, statement: Statement) -> None:
        if statement.kind == "function":
            self.returned = [name for name in statement.parts[0] if name is not None]
        elif statement.kind == "assign":
            self._assign(*statement.parts)
        elif statement.kind == "assign many":
            self._assign_many(*statement.parts)
        elif statement.kind == "if":
            for condition, body in statement.parts[0]:
                if condition is None or holds(self.value(condition)):
                    for inner in body:
                        self.do(inner)
                    break
        elif statement.kind == "for":
            self._loop(*statement.parts)
        else:
            self._call(statement.parts[0])

    def _call(self, node: Node) -> None:
        if node.kind == "name" and node.parts[0] == "define_constants" and node.parts[0] not in self.names:
            for name in COLUMNS:
                self.names.update((key, one_number(number)) for key, number in named_columns(name))
            return
        self.value(node)  # a value that is only displayed

    def _loop(self, name: str, over: Node, body: list[Statement]) -> None:
        values = self.value(over)
        if isinstance(values, Cell) or not isinstance(values, np.ndarray):
            raise MatlabError("loops over something else than numbers")
        for column in range(values.shape[1]):
            self.names[name] = values[:, column : column + 1].copy()
            self._spend(1000)
            for inner in body:
                self.do(inner)

    def _assign_many(self, targets: list[str | None], node: Node) -> None:
        called = node.parts[0] if node.kind == "index" else node
        name = called.parts[0] if called.kind == "name" else ""
        if name in MANY and name not in self.names and (node is called or not node.parts[1]):
            values: list[Any] = [one_number(number) for number in MANY[name]]
        elif name == "size" and name not in self.names and node is not called and len(node.parts[1]) == 1:
            values = [one_number(float(n)) for n in shape_of(self.value(node.parts[1][0]))]
        elif len(targets) == 1:
            values = [self.value(node)]
        else:
            raise MatlabError("assigns several values from an expression with one")
        if len(targets) > len(values):
            raise MatlabError(f"assigns {len(targets)} values, there are {len(values)}")
        for target, value in zip(targets, values, strict=False):
            if target is not None:
                self.names[target] = value

    def _assign(self, target: Node, source: Node) -> None:
        path: list[str] = []
        place = target
        at: list[Node] | None = None
        if place.kind in ("index", "cell index"):
            place, at = place.parts
        node = place
        while node.kind == "field":
            path.insert(0, node.parts[1])
            node = node.parts[0]
        if node.kind != "name":
            raise MatlabError("assigns to a place that is not read (a field of an element, or no name)")
        path.insert(0, node.parts[0])
        value = self._own(self.value(source))
        home: dict[str, Any] = self.names
        for step in path[:-1]:
            home = home.setdefault(step, {})
            if not isinstance(home, dict):
                raise MatlabError(f"assigns a field of {step}, which is no struct")
        last = path[-1]
        if at is None:
            home[last] = value
            return
        whole = home.get(last)
        if target.kind == "cell index" or isinstance(whole, Cell):
            home[last] = self._put_cell(target.kind, whole, at, value)
            return
        table = np.zeros((0, 0)) if whole is None else whole
        if not isinstance(table, np.ndarray):
            raise MatlabError(f"assigns an element of {last}, which is no table")
        places = self._arguments(at, table.shape)
        if source.kind == "table" and not np.size(value):
            home[last] = without(table, places)
            return
        if not isinstance(value, np.ndarray):
            raise MatlabError("puts something else than numbers into a table")
        self._spend(table.size + value.size)
        home[last] = put(table, places, value, 0.0)

    def _put_cell(self, kind: str, whole: Any, at: list[Node], value: Any) -> Cell:
        items = np.empty((0, 0), dtype=object) if whole is None else getattr(whole, "items", None)
        if not isinstance(items, np.ndarray):
            raise MatlabError("assigns an element in braces of what is no cell array")
        if kind == "index":
            if not isinstance(value, Cell):
                raise MatlabError("puts something else than a cell array into a cell array")
            new = value.items
        else:
            new = np.empty((1, 1), dtype=object)
            new[0, 0] = value
        return Cell(put(items, self._arguments(at, items.shape), new, None))

    def _own(self, value: Any) -> Any:
        """A copy of a struct, whose fields may be assigned to; tables are never changed in place."""
        if not isinstance(value, dict):
            return value
        self._spend(1000)
        return {name: self._own(inner) for name, inner in value.items()}

    # Values

    def _spend(self, numbers: int) -> None:
        self.work += numbers
        if self.work > MAX_WORK:
            raise MatlabError("needs more work than any case")

    def value(self, node: Node) -> Any:
        """The value of an expression."""
        try:
            value = getattr(self, "_" + node.kind.replace(" ", "_"))(*node.parts)
        except MatlabError as refused:
            if not refused.line:
                refused.line = node.line
            raise
        if isinstance(value, np.ndarray):
            self._spend(value.size)
        elif isinstance(value, str):
            self._spend(len(value))
        return value

    def _num(self, number: complex) -> Numbers:
        return one_number(number)

    def _table(self, table: Numbers) -> Numbers:
        return table.copy()

    def _text(self, text: str) -> str:
        return text

    def _all(self) -> None:
        raise MatlabError("has a : instead of a value")

    def _last(self) -> Numbers:
        if not self.inside:
            raise MatlabError("has an end outside of what is indexed")
        *shape, position, count = self.inside[-1]
        if count == 1:
            return one_number(float(shape[0] * shape[1]))
        return one_number(float(shape[position]) if position < 2 else 1.0)

    def _name(self, name: str) -> Any:
        if name in self.names:
            return self.names[name]
        if name in CONSTANTS:
            return one_number(CONSTANTS[name])
        if name in MANY:
            return one_number(MANY[name][0])
        if name in FUNCTIONS:
            return self._function(name, [])
        raise MatlabError(f"uses {name}, which is not known here")

    def _function(self, name: str, arguments: list[Node]) -> Any:
        values = [self.value(argument) for argument in arguments]
        try:
            return FUNCTIONS[name](*values)
        except (TypeError, AttributeError):
            raise MatlabError(f"calls {name} with arguments that are not read") from None
        except ValueError as error:
            raise MatlabError(f"calls {name}: {error}") from None

    def _arguments(self, nodes: list[Node], shape: tuple[int, ...]) -> list[Any]:
        """Indices as numbers; None means all."""
        found: list[Any] = []
        for k, node in enumerate(nodes):
            if node.kind == "all":
                found.append(None)
                continue
            self.inside.append((*shape, k, len(nodes)))
            found.append(self.value(node))
            self.inside.pop()
        return found

    def _index(self, base: Node, arguments: list[Node]) -> Any:
        if base.kind == "name" and base.parts[0] not in self.names:
            name = base.parts[0]
            if name in FUNCTIONS:
                return self._function(name, arguments)
            if name in CONSTANTS or name in MANY:
                raise MatlabError(f"calls {name} with arguments")
            raise MatlabError(f"calls {name}, which is not known here")
        value = self.value(base)
        if not arguments:
            return value
        if isinstance(value, Cell):
            return Cell(taken(value.items, self._arguments(arguments, value.items.shape)))
        if isinstance(value, dict) and all(
            a is None or as_whole(a) == 1 for a in self._arguments(arguments, (1, 1))
        ):
            return value
        if not isinstance(value, np.ndarray):
            raise MatlabError("takes an element of what is no table")
        return taken(value, self._arguments(arguments, value.shape))

    def _cell_index(self, base: Node, arguments: list[Node]) -> Any:
        value = self.value(base)
        if not isinstance(value, Cell):
            raise MatlabError("takes an element in braces of what is no cell array")
        found = taken(value.items, self._arguments(arguments, value.items.shape))
        if found.size != 1:
            raise MatlabError("takes several elements of a cell array at once")
        return found[0, 0]

    def _field(self, base: Node, name: str) -> Any:
        value = self.value(base)
        if not isinstance(value, dict):
            raise MatlabError(f"takes the field {name} of what is no struct")
        if name not in value:
            raise MatlabError(f"takes the field {name}, which has not been assigned")
        return value[name]

    def _transpose(self, sign: str, node: Node) -> Any:
        value = self.value(node)
        if isinstance(value, Cell):
            return Cell(value.items.T)
        numbers = as_numbers(value).T
        return np.conj(numbers) if sign == "'" else numbers

    def _unary(self, sign: str, node: Node) -> Numbers:
        numbers = as_numbers(self.value(node))
        if sign in "~!":
            return np.asarray(numbers == 0)
        return -numbers if sign == "-" else numbers

    def _binary(self, sign: str, left: Node, right: Node) -> Numbers:
        if sign in ("&&", "||"):
            first = holds(self.value(left))
            if first == (sign == "||"):
                return np.array([[first]])
            return np.array([[holds(self.value(right))]])
        return plain(combined(sign, self.value(left), self.value(right)))

    def _range(self, first: Node, step: Node | None, last: Node) -> Numbers:
        start, stop = as_scalar(self.value(first)), as_scalar(self.value(last))
        by = 1.0 if step is None else as_scalar(self.value(step))
        if not np.isfinite([start, stop, by]).all():
            raise MatlabError("has a range without end")
        count = int(np.floor((stop - start) / by + 1e-10)) + 1 if by else 0
        if count > MAX_NUMBERS:
            raise MatlabError(f"makes a row of more than {MAX_NUMBERS} numbers")
        return (start + by * np.arange(max(count, 0))).reshape(1, -1)

    def _matrix(self, rows: list[list[Node]]) -> Any:
        values = [[self.value(node) for node in row] for row in rows]
        flat = [value for row in values for value in row]
        if flat and all(isinstance(value, str) for value in flat):
            if len(rows) != 1:
                raise MatlabError("puts texts in rows of a table")
            return "".join(flat)
        if any(isinstance(value, Cell) for value in flat):
            raise MatlabError("joins cell arrays in a table")
        for value in flat:
            as_numbers(value)
        parts = [[value for value in row if value.size] for row in values]
        return _joined([row for row in parts if row])

    def _cell(self, rows: list[list[Node]]) -> Cell:
        values = [[self.value(node) for node in row] for row in rows]
        width = len(values[0]) if values else 0
        items = np.empty((len(values), width), dtype=object)
        for k, row in enumerate(values):
            if len(row) != width:
                raise MatlabError(f"has a row of {len(row)} elements, the first has {width}", rows[k][0].line)
            for column, value in enumerate(row):
                items[k, column] = value
        return Cell(items)


def _joined(rows: list[list[Numbers]]) -> Numbers:
    """Tables joined side by side and one below the other."""
    if not rows:
        return np.zeros((0, 0))
    wide = []
    for row in rows:
        if len({part.shape[0] for part in row}) > 1:
            raise MatlabError("puts tables of different height side by side")
        wide.append(np.hstack(row))
    for part in wide:
        if part.shape[1] != wide[0].shape[1]:
            raise MatlabError(f"has a row of {part.shape[1]} numbers, the first has {wide[0].shape[1]}")
    if sum(part.size for part in wide) > MAX_NUMBERS:
        raise MatlabError(f"makes a table of more than {MAX_NUMBERS} numbers")
    return np.vstack(wide)
