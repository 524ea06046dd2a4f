"""UCTE-DEF files (``.uct``) as pandapower nets, by pandapower's converter.

The converter silently drops what it cannot convert. So the fixed columns of the format (UCTE data exchange
format for load flow and three-phase short-circuit studies, version 2, 2007) are checked here first. What the
converter would read differently from the format is refused with its line.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

from pandapower.auxiliary import pandapowerNet
from pandapower.converter.ucte.from_ucte import from_ucte

from tandem_sim.grids.documents.text import one_line
from tandem_sim.grids.errors import InputError

log = logging.getLogger(__name__)

NUMBERS = {
    "N": {
        "status": (22, 23),
        "node type": (24, 25),
        "voltage": (26, 32),
        "active load": (33, 40),
        "reactive load": (41, 48),
        "active generation": (49, 56),
        "reactive generation": (57, 64),
        "minimum active generation": (65, 72),
        "maximum active generation": (73, 80),
        "minimum reactive generation": (81, 88),
        "maximum reactive generation": (89, 96),
        "static of primary control": (97, 102),
        "power of primary control": (103, 110),
        "short-circuit power": (111, 118),
        "X/R ratio": (119, 126),
    },
    "L": {
        "status": (20, 21),
        "resistance": (22, 28),
        "reactance": (29, 35),
        "susceptance": (36, 44),
        "current limit": (45, 51),
    },
    "T": {
        "status": (20, 21),
        "rated voltage 1": (22, 27),
        "rated voltage 2": (28, 33),
        "nominal power": (34, 39),
        "resistance": (40, 46),
        "reactance": (47, 53),
        "susceptance": (54, 62),
        "conductance": (63, 69),
        "current limit": (70, 76),
    },
    "R": {
        "phase regulation, voltage": (20, 25),
        "phase regulation, taps": (26, 28),
        "phase regulation, tap": (29, 32),
        "phase regulation, target": (33, 38),
        "angle regulation, voltage": (39, 44),
        "angle regulation, angle": (45, 50),
        "angle regulation, taps": (51, 53),
        "angle regulation, tap": (54, 57),
        "angle regulation, power": (58, 63),
    },
}
"""Columns of numbers by the kind of row, counted from zero."""
NEEDED = {
    "N": ("node type",),
    "L": ("status", "resistance", "reactance", "susceptance"),
    "T": ("status", "rated voltage 1", "rated voltage 2", "nominal power", "resistance", "reactance"),
    "R": (),
}
LEVELS_KV = {"0": 750.0, "1": 380.0, "2": 220.0, "3": 150.0, "4": 120.0, "5": 110.0, "6": 70.0, "7": 27.0}
LEVELS_KV |= {"8": 330.0, "9": 500.0}
LEVELS_KV |= dict(
    zip("ABCDEFGHIJ", (26.0, 25.0, 24.0, 23.0, 22.0, 21.0, 20.0, 19.0, 18.0, 17.0), strict=True)
)
LEVELS_KV |= dict(zip("KLMNOPQRST", (15.7, 15.0, 13.7, 13.0, 12.0, 11.0, 9.8, 9.0, 8.0, 7.0), strict=True))
LEVELS_KV |= dict(zip("UVWXYZ", (6.0, 5.0, 4.0, 3.0, 2.0, 1.0), strict=True))
"""Nominal voltages by the seventh character of a node."""
REGULATED, SLACK = 2, 3
"""Node types: generators that hold a voltage, and the slack."""
EQUIVALENT = (1, 9)
"""Status of equivalent lines, in and out of service."""
IN_SERVICE = (0, 1, 2)


@dataclass(frozen=True)
class _Row:
    """A row of a section, with its line in the file."""

    kind: str
    line: int
    text: str
    path: Path

    def fault(self, field: str, problem: str, hint: str) -> InputError:
        return InputError(str(self.path), f"line {self.line}, ##{self.kind} {field}", problem, hint)

    def number(self, field: str) -> float | None:
        """The number in a column; None if it is blank."""
        start, end = NUMBERS[self.kind][field]
        word = self.text[start:end].strip()
        if not word:
            if field in NEEDED[self.kind]:
                raise self.fault(field, f"is blank (columns {start + 1} to {end})", "Give a number")
            return None
        try:
            value = float(word)
        except ValueError:
            value = float("nan")
        if not abs(value) < float("inf"):
            raise self.fault(
                field,
                f"is {one_line(word)!a}, which is no number (columns {start + 1} to {end})",
                "Keep the columns of the format",
            )
        return value

    @property
    def ends(self) -> tuple[str, str]:
        return self.text[0:8], self.text[9:17]

    @property
    def branch(self) -> str:
        return self.text[0:19]


def read_ucte(content: bytes, path: Path) -> pandapowerNet:
    """The net of a UCTE file. The slack node is the external grid.

    Raises `InputError`, which names line, section and column.
    """
    rows = _rows(content.decode("latin-1"), path)
    _check(rows, path)
    # The converter reads in the encoding of the machine: node names are ASCII, other text is only displayed.
    text = "".join(f"##{kind}\n" + "".join(f"{row.text}\n" for row in rows[kind]) for kind in NUMBERS)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings of pandas about the code of the converter
        plain = Path(folder) / "grid.uct"
        plain.write_bytes(text.encode("ascii", "replace"))
        try:
            net = from_ucte(str(plain), slack_as_gen=False)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise InputError(
                str(path),
                "UCTE",
                f"pandapower cannot convert it ({one_line(error)})",
                "Keep to UCTE-DEF 2007",
            ) from error
    return net


def _rows(text: str, path: Path) -> dict[str, list[_Row]]:
    """Rows by section; comments and exchange programmes contain no grid data."""
    rows: dict[str, list[_Row]] = {kind: [] for kind in NUMBERS}
    kind = ""
    special = 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("##"):
            head = line[2:].strip()
            if head.startswith("C"):
                kind = "C"
            elif not head.startswith("Z"):  # the country of the nodes that follow
                kind = head
                if kind not in (*NUMBERS, "TT", "E"):
                    raise InputError(
                        str(path),
                        f"line {number}",
                        f"starts a section {one_line(head)[:20]!a} that is not known",
                        "Sections are ##C, ##N, ##L, ##T, ##R, ##TT and ##E",
                    )
        elif not line.strip():
            continue
        elif kind in rows:
            rows[kind].append(_Row(kind, number, line.rstrip(), path))
        elif kind == "TT":
            special += 1
        elif not kind:
            raise InputError(str(path), f"line {number}", "stands before the first section", "Start with ##C")
    if special:
        log.warning("%s: %d rows of ##TT (transformers described tap by tap) are not read", path, special)
    return rows


def _check(rows: dict[str, list[_Row]], path: Path) -> None:
    if not rows["N"]:
        raise InputError(str(path), "##N", "has no nodes", "Give a UCTE file (UCTE-DEF 2007)")
    nodes: dict[str, int] = {}
    for row in rows["N"]:
        name = row.text[0:8].strip()
        if row.text[0] == " " or row.text[6:7] not in LEVELS_KV:
            raise row.fault("node", f"is {name!a}", "Give eight characters, the seventh a voltage level")
        if name in nodes:
            raise row.fault("node", f"{name} stands in line {nodes[name]} too", "Give each node its own name")
        nodes[name] = row.line
        _check_node(row)
    seen: dict[tuple[str, str], int] = {}
    regulated = {row.branch for row in rows["R"]}
    for kind in ("L", "T", "R"):
        for row in rows[kind]:
            for name in row.ends:
                if name.strip() not in nodes:
                    raise row.fault(
                        "node", f"{name.strip()!a} is not among the nodes of ##N", "Name a node of ##N"
                    )
            if (kind, row.branch) in seen:
                raise row.fault(
                    "order code",
                    f"is that of line {seen[kind, row.branch]} too",
                    "Give parallel branches their own",
                )
            seen[kind, row.branch] = row.line
            values = {field: row.number(field) for field in NUMBERS[kind]}
            if kind == "L":
                _check_line(row, values)
            elif kind == "T":
                _check_transformer(row, values, row.branch in regulated)
            elif ("T", row.branch) not in seen:
                raise row.fault(
                    "order code", "regulates no transformer of ##T", "Name its nodes and order code"
                )


def _check_node(row: _Row) -> None:
    values = {field: row.number(field) for field in NUMBERS["N"]}
    kind = values["node type"]
    if kind not in (0, REGULATED, SLACK):
        raise row.fault("node type", f"is {kind:g}", "Give 0 (load), 2 (voltage held) or 3 (slack)")
    for what in ("load", "generation"):
        active, reactive = values[f"active {what}"], values[f"reactive {what}"]
        if (active is None) != (reactive is None):
            raise row.fault(f"{what}", "has only one of active and reactive power", "Give both, 0 for none")
    if kind != 0:
        if not values["voltage"] or values["voltage"] < 0:
            raise row.fault("voltage", "is missing where a voltage is held", "Give it in kV")
        if values["active generation"] is None:
            raise row.fault("generation", "is blank where a voltage is held", "Give it, 0 for none")


def _check_line(row: _Row, values: dict[str, float | None]) -> None:
    status, x, b = values["status"], values["reactance"] or 0.0, values["susceptance"]
    if status not in (0, 1, 2, 7, 8, 9):
        raise row.fault("status", f"is {status:g}", "Give 0, 1, 2, 7, 8 or 9")
    if status in IN_SERVICE and b and (status in EQUIVALENT or x < 0):
        raise row.fault(
            "susceptance",
            "of an equivalent line (status 1, or a negative reactance) is converted in the wrong unit",
            "Give 0, and the charging as load at its ends",
        )


def _check_transformer(row: _Row, values: dict[str, float | None], regulated: bool) -> None:
    status = values["status"]
    if status not in (0, 1, 8, 9):
        raise row.fault("status", f"is {status:g}", "Give 0, 1, 8 or 9")
    for field in ("rated voltage 1", "rated voltage 2"):
        if not (values[field] or 0.0) > 0:
            raise row.fault(field, f"is {values[field]:g}", "Give a voltage above zero, in kV")
    levels = [LEVELS_KV[name[6]] for name in row.ends]
    rated = [values["rated voltage 1"], values["rated voltage 2"]]
    plain = not regulated and not values["susceptance"] and not values["conductance"]
    if levels[0] == levels[1] and plain and rated != levels:
        raise row.fault(
            "rated voltage 1",
            "differs from the level of its two nodes, and the converter makes an impedance of it",
            f"Give {levels[0]:g} kV twice, or a susceptance or a regulation (##R) to keep it a transformer",
        )
