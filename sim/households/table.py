"""A table of households: a CSV or Parquet file with a row for each, read strictly."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tandem_sim.grids.documents.decimals import decimal, odd_number
from tandem_sim.grids.documents.table_reader import Cells, read_cells
from tandem_sim.grids.documents.text import hint, is_there, shown
from tandem_sim.grids.errors import InputError, printable
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray
from tandem_sim.sim.households.columns import ATTRIBUTES, LONGEST_NAME, NAMES, Attribute, attributes
from tandem_sim.sim.scenario.described import written
from tandem_sim.sim.scenario.scenario import Scenario

log = logging.getLogger(__name__)
DECIMAL = "Give a decimal number such as 12.5 or 1e3"
LARGEST_BUS = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class HouseholdTable:
    """H households of a table, sorted by area, node, bus, name, and then by all other values.

    area: number of the area in the order of their names. node: of its network. values: by column, NaN where
    the table gives none; choices by their number, aggregators from 0. lv_feeder, lv_user: empty where not
    given.
    """

    path: Path
    place: tuple[str, ...]  # (H,) as messages name rows
    area: IntArray  # (H,)
    node: IntArray  # (H,)
    values: Mapping[str, FloatArray]
    lv_feeder: tuple[str, ...]
    lv_user: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of households."""
        return len(self.place)

    def given(self, name: str) -> BoolArray:
        """Households (H,) for which the table gives an attribute."""
        return ~np.isnan(self.values[name]) if name in self.values else np.zeros(len(self), dtype=bool)

    def instead(self, name: str, drawn: FloatArray) -> FloatArray:
        """An attribute (H,): as given, and otherwise as drawn."""
        return np.where(self.given(name), self.values[name], drawn) if name in self.values else drawn

    def error(self, household: int, column: str, problem: str, advice: str) -> InputError:
        """An error about a cell of a household, counted in the order of this table."""
        return InputError(str(self.path), f"{column} in {self.place[household]}", problem, advice)


def table_path(scenario: Scenario, folder: Path | None) -> Path | None:
    """Path of the scenario's table of households; None without one."""
    table = scenario.population.table
    return None if table is None else (folder or Path()) / table


def read_households(
    scenario: Scenario, folder: Path | None, networks: Mapping[str, Network]
) -> HouseholdTable | None:
    """The table of households of a scenario; None without one. `networks` by area, in order of their names.

    Raises `InputError` with file, row, column and hint for the first cell at fault. Columns with values
    outside their usual range are written to the log.
    """
    path = table_path(scenario, folder)
    if path is None:
        return None
    if path.suffix.lower() in (".csv", ".parquet") and not is_there(path):
        raise InputError(
            "scenario",
            "population.table",
            f"{scenario.population.table} does not exist",
            "Give a CSV or Parquet file, relative to the scenario",
        )
    reader = _Reader(path, read_cells(path))
    table = reader.table(scenario, networks)
    for line in _unusual(table):
        log.warning("unusual: %s", line)
    if scenario.households not in (None, len(table)):
        raise InputError(
            "scenario",
            "households",
            f"is {scenario.households}, and {path.name} has {len(table)} rows",
            "Leave households out (null where it is inherited), or give the number of rows",
        )
    return table


def _unusual(table: HouseholdTable) -> Iterator[str]:
    """Columns with values outside their usual range, how many and the first; 0 for none is usual."""
    for about in ATTRIBUTES:
        if about.usual is None or about.name not in table.values:
            continue
        found, (low, high) = table.values[about.name], about.usual
        odd = np.flatnonzero(((found < low) | (found > high)) & ~((found == 0.0) & about.sizes))
        if len(odd):
            first = f"{table.place[odd[0]]} {written(float(found[odd[0]]))}"
            unit = f" {about.unit}".rstrip()
            yield (
                f"{table.path.name} {about.name} of {len(odd)} of {len(table)} households, such as {first}: "
                f"usually {written(low)} to {written(high)}{unit}"
            )


class _Reader:
    """Cells of one file, in its order."""

    def __init__(self, path: Path, cells: Cells) -> None:
        self.path, self.frame, self.unit = path, cells.frame, cells.place
        columns = [str(name) for name in self.frame.columns]
        for name in columns:
            if name not in NAMES:
                problem, advice = "is no column of a table of households", hint(name, NAMES)
                if len(columns) == 1 and ";" in name:
                    problem, advice = "the columns are separated by semicolons", "Separate them by commas"
                if not name:
                    name, advice = (
                        "a column without a name",
                        "Name it, or save without an index (index=False)",
                    )
                raise InputError(str(path), printable(name), problem, advice)
        if not len(self.frame):
            raise InputError(str(path), "file", "has no row", "Give a header, and a row for each household")
        if "bus" not in columns:
            raise InputError(
                str(path), "bus", "the column is missing", "Give the bus of every household in its area's net"
            )

    def error(self, row: int, column: str, problem: str, advice: str) -> InputError:
        place = f"{column} in {self.unit} {self.frame.index[row]}"
        return InputError(str(self.path), place, problem, advice)

    def cells(self, column: str) -> list[str]:
        """Cells of a column; empty ones where the table does not have it."""
        if column in self.frame:
            return [str(cell) for cell in self.frame[column]]
        return [""] * len(self.frame)

    def table(self, scenario: Scenario, networks: Mapping[str, Network]) -> HouseholdTable:
        """The table in its order."""
        names = self._names("household")
        self._once("household", names)
        area = self._areas(list(networks))
        bus, node = self._places(area, networks)
        values = {
            each.name: self._values(each)
            for each in attributes(scenario.population)
            if each.kind != "text" and each.name in self.frame
        }
        if "aggregator" in self.frame:
            values["aggregator"] = self._aggregators(scenario)
        self._check_devices(values, scenario.population.recovery_h)
        feeder, user = self._feeders(scenario)
        sorting = [np.nan_to_num(values[name], nan=-np.inf) for name in sorted(values)]
        text = [np.asarray(each, dtype=np.str_) for each in (user, feeder)]
        order = np.lexsort((*text, *sorting, np.asarray(names, dtype=np.str_), bus, node, area))
        return HouseholdTable(
            path=self.path,
            place=tuple(f"{self.unit} {self.frame.index[k]}" for k in order),
            area=area[order],
            node=node[order],
            values={name: found[order] for name, found in values.items()},
            lv_feeder=tuple(feeder[k] for k in order),
            lv_user=tuple(user[k] for k in order),
        )

    def _names(self, column: str) -> list[str]:
        cells = self.cells(column)
        for row, cell in enumerate(cells):
            if len(cell) > LONGEST_NAME or not cell.isprintable():
                problem = f"is no name of at most {LONGEST_NAME} printable characters"
                raise self.error(row, column, problem, "Give another name")
        return cells

    def _once(self, column: str, names: Sequence[str]) -> None:
        first: dict[str, int] = {}
        for row, name in enumerate(names):
            if name and first.setdefault(name, row) != row:
                at = f"{self.unit} {self.frame.index[first[name]]}"
                raise self.error(
                    row, column, f"{printable(name)} is the name in {at} too", "Give every one its own"
                )

    def _areas(self, known: list[str]) -> IntArray:
        """Number of the area of every row."""
        if "area" not in self.frame:
            if len(known) > 1:
                problem = f"the column is missing, and there are {len(known)} areas"
                raise InputError(str(self.path), "area", problem, f"Use {', '.join(known)}")
            return np.zeros(len(self.frame), dtype=np.int64)
        number = {name: k for k, name in enumerate(known)}
        cells = self.cells("area")
        for row, cell in enumerate(cells):
            if cell not in number:
                problem = f"{printable(cell)} is no area" if cell else "is empty"
                raise self.error(row, "area", problem, hint(cell, known))
        return np.array([number[cell] for cell in cells], dtype=np.int64)

    def _places(self, area: IntArray, networks: Mapping[str, Network]) -> tuple[IntArray, IntArray]:
        """Bus and node of every row."""
        nets = [
            (name, dict(zip(n.bus_index.tolist(), n.bus_node.tolist(), strict=True)))
            for name, n in networks.items()
        ]
        bus, node = np.zeros(len(area), dtype=np.int64), np.zeros(len(area), dtype=np.int64)
        for row, (cell, of) in enumerate(zip(self.cells("bus"), area.tolist(), strict=True)):
            number = float(cell) if cell.isascii() and cell.isdecimal() and len(cell) < 12 else math.nan
            if not 0 <= number <= LARGEST_BUS or number != round(number):
                problem = f"is {printable(cell)}" if cell else "is empty"
                raise self.error(row, "bus", problem, "Give the whole number of a bus")
            name, known = nets[of]
            if int(number) not in known:
                problem = f"bus {int(number)} does not exist (or is out of service) in the grid of {name}"
                raise self.error(row, "bus", problem, "Use the bus indices of the pandapower net")
            bus[row], node[row] = int(number), known[int(number)]
        return bus, node

    def _number(self, row: int, column: str, cell: str) -> float:
        try:
            number = decimal(cell)
        except ValueError as error:
            raise self.error(row, column, str(error), DECIMAL) from None
        if number is None:
            odd = odd_number(cell)
            says = f"{shown(cell)} {odd}" if odd else f"{shown(cell)} is no number"
            raise self.error(row, column, says, DECIMAL)
        return float(number)

    def _values(self, about: Attribute) -> FloatArray:
        """Cells of a column as numbers, NaN for empty ones; ranges are checked where there is a device."""
        known: dict[str, float] = {"": math.nan}
        found = np.empty(len(self.frame))
        for row, cell in enumerate(self.cells(about.name)):
            if cell not in known:
                known[cell] = (
                    self._choice(row, about, cell)
                    if about.kind == "choice"
                    else self._number(row, about.name, cell)
                )
            found[row] = known[cell]
        if about.sizes:
            for row in np.flatnonzero(np.isnan(found))[:1].tolist():
                raise self.error(
                    row, about.name, "is empty", "Write 0 for none, or leave the column out to have it drawn"
                )
        return found

    def _choice(self, row: int, about: Attribute, cell: str) -> float:
        for same in (cell, cell.removesuffix(".0"), cell.lower()):
            if same in about.choices:
                return float(about.choices.index(same))
        raise self.error(row, about.name, f"{printable(cell)} is not known", hint(cell, about.choices))

    def _check_devices(self, values: dict[str, FloatArray], recovery_h: float) -> None:
        """Check ranges. What a row says of a device that it does not have is dropped, and may be 0."""
        for about in ATTRIBUTES:
            found = values.get(about.name)
            if found is None or about.kind == "text":
                continue
            none = values[about.device] == 0.0 if about.device in values else np.zeros(len(found), dtype=bool)
            if about.kind == "number":
                low, high = about.limits
                outside = (found < low) | (found > high)
                allowed = (found == 0.0) & (about.sizes | none)
                for row in np.flatnonzero(outside & ~allowed)[:1].tolist():
                    zero = " (or 0 for none)" if about.sizes else ""
                    within = f"{written(low)} to {written(high)} {about.unit}".rstrip()
                    problem = f"is {self.cells(about.name)[row]}, outside {within}"
                    raise self.error(row, about.name, problem, f"Give a number in that range{zero}")
            if about.name == "battery_kw":
                for row in np.flatnonzero(none & (found > 0.0))[:1].tolist():
                    problem = f"is {self.cells('battery_kw')[row]}, and battery_kwh is 0"
                    raise self.error(row, "battery_kw", problem, "Write 0 in both, or in neither")
            values[about.name] = np.where(none, math.nan, found)
        loss = values.get("heat_loss_h", np.empty(0))
        for row in np.flatnonzero(loss < recovery_h)[:1].tolist():
            problem = f"is {self.cells('heat_loss_h')[row]}, less than population.recovery_h {recovery_h:g}"
            raise self.error(row, "heat_loss_h", problem, "A thermostat cannot be slower than its building")

    def _aggregators(self, scenario: Scenario) -> FloatArray:
        """Number of the aggregator of every row from 0, NaN where it is drawn."""
        names = scenario.pools[: scenario.aggregators]
        number = {"": math.nan, **{name: float(k) for k, name in enumerate(names)}}
        number |= {str(k + 1): float(k) for k in range(len(names))}
        cells = [cell.removesuffix(".0") for cell in self.cells("aggregator")]
        for row, cell in enumerate(cells):
            if cell not in number:
                advice = f"Use {names[0]} to {names[-1]}, or 1 to {len(names)}"
                raise self.error(row, "aggregator", f"{printable(cell)} is no aggregator", advice)
        return np.array([number[cell] for cell in cells])

    def _feeders(self, scenario: Scenario) -> tuple[list[str], list[str]]:
        """LV feeder and user of every row."""
        feeder, user = self._names("lv_feeder"), self._names("lv_user")
        known = [name for _, given in scenario.feeders for name in given.names]
        for row, (name, of) in enumerate(zip(feeder, user, strict=True)):
            if name and name not in known:
                advice = hint(name, known) if known else "Leave it empty, or add the feeder to low_voltage"
                raise self.error(row, "lv_feeder", f"{printable(name)} is no LV feeder", advice)
            if of and not name:
                raise self.error(
                    row, "lv_user", f"is {printable(of)}, without a feeder", "Give lv_feeder too"
                )
        return feeder, user
