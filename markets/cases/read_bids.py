"""The bids of a case: a CSV file, read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from tandem_sim.grids.documents.csv_reader import read_csv_table
from tandem_sim.grids.documents.decimals import decimal
from tandem_sim.grids.documents.text import is_there, shown
from tandem_sim.grids.errors import InputError, printable
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.types import BoolArray, FloatArray
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.markets.orders.bids import DOWN, UP, Bids

COLUMNS = ("bid_id", "system", "bus", "direction", "quantity_mw", "price_eur_per_mwh")
OPTIONAL = ("side", "provider", "held_mw", "forwardable", "power")
LARGEST_BUS = 2**31 - 1
LARGEST = 1e12
"""All numbers of a case are smaller."""
LARGEST_CSV = 2**26
"""Most bytes of a file of bids: half a million bids need half of it."""


def no_such_bus(path: Path, field: str, bus: object, network: Network) -> InputError:
    """The error for a bus that a grid does not have."""
    return InputError(
        str(path),
        field,
        f"bus {shown(bus)} does not exist (or is out of service) in grid {network.name}",
        "Use the bus indices of the pandapower net",
    )


def read_bids(path: Path, networks: Mapping[str, Network]) -> tuple[dict[str, Bids], dict[str, Bids]]:
    """The books of all systems: of active power, and of reactive power (`markets.auctions.reactive_power`).

    Raises `InputError` naming file, line and column.
    """
    table = _table(path)
    _check_reactive(table, path)
    _check_places(table, path, networks)
    table = table.sort_values("bid_id", kind="stable")
    active, reactive = (
        {
            system: _book(
                table[(table.system == system) & (table.power == power)], network, f"{path} (system {system})"
            )
            for system, network in networks.items()
        }
        for power in ("active", "reactive")
    )
    return active, reactive


def _table(path: Path) -> pd.DataFrame:
    """The bids in the order of the file, indexed by line of the file."""
    if not is_there(path):
        raise InputError(str(path), "bids", "the file does not exist", "Give a CSV relative to the case file")
    table = _read_csv(path)
    missing = [c for c in COLUMNS if c not in table]
    if missing:
        raise InputError(
            str(path), missing[0], "the column is missing", f"Give the columns {','.join(COLUMNS)}"
        )
    if "held_mw" not in table:
        table["held_mw"] = "0"
    for column in ("bus", "quantity_mw", "price_eur_per_mwh", "held_mw"):
        values = np.array([_number(cell) for cell in table[column]], dtype=np.float64)
        bad, hint = ~np.isfinite(values), "Give a decimal number such as -12.5 or 1e3"
        if column in ("quantity_mw", "held_mw"):
            bad, hint = bad | (values < 0), "Give a decimal number, zero or more"
        if column == "bus":
            with np.errstate(invalid="ignore"):
                bad = bad | (np.abs(values) > LARGEST_BUS) | (values != np.rint(values))
            hint = "Give the whole number of a bus"
        _refuse(table, bad, column, path, "is {}", hint)
        table[column] = values.astype(np.int64) if column == "bus" else values
    _refuse(table, table.bid_id == "", "bid_id", path, "is {}", "Give every bid an id")
    _refuse(
        table,
        table.bid_id.duplicated(),
        "bid_id",
        path,
        "{} is used twice",
        "Give every bid an id of its own",
    )
    _refuse(table, ~table.direction.isin(["up", "down"]), "direction", path, "is {}", "Use up or down")
    _refuse(
        table,
        table.held_mw > table.quantity_mw,
        "held_mw",
        path,
        "is {}, more than the quantity",
        "Hold less",
    )
    for column, known in (
        ("side", ("sell", "buy")), ("forwardable", ("yes", "no")), ("power", ("active", "reactive"))
    ):  # fmt: skip
        if column not in table:
            table[column] = known[0]
        _refuse(table, ~table[column].isin(known), column, path, "is {}", f"Use {' or '.join(known)}")
    if "provider" not in table:
        table["provider"] = table.bid_id
    return table


def _read_csv(path: Path) -> pd.DataFrame:
    """A CSV with a header as text cells, indexed by line of the file."""
    table = read_csv_table(path, ",", LARGEST_CSV)
    return pd.DataFrame(table.rows, columns=list(table.head), index=list(table.lines), dtype=object)


def _number(cell: str) -> float:
    """A number in plain decimal notation; NaN for any other text, and for numbers out of range."""
    try:
        found = decimal(cell)
    except ValueError:
        return np.nan
    return np.nan if found is None or abs(found) >= LARGEST else float(found)


def _refuse(
    table: pd.DataFrame, bad: BoolArray | pd.Series, column: str, path: Path, problem: str, hint: str
) -> None:
    """An `InputError` for the first bad line, if any; `problem` has a placeholder for the cell."""
    rows = np.flatnonzero(bad)
    if len(rows):
        cell = table[column].iloc[rows[0]]
        field = f"{column} in line {table.index[rows[0]]}"
        raise InputError(str(path), field, problem.format("empty" if cell == "" else printable(cell)), hint)


def _check_reactive(table: pd.DataFrame, path: Path) -> None:
    """Reactive power is sold to DSOs, at a price of zero or more, and no reserve holds it."""
    reactive = table.power == "reactive"
    for column, bad, hint in (
        ("system", table.system == TSO, "Offer reactive power in a distribution grid"),
        ("side", table.side == "buy", "Sell it: DSOs alone buy reactive power"),
        ("held_mw", table.held_mw > 0, "Hold active power"),
        ("price_eur_per_mwh", table.price_eur_per_mwh < 0, "Ask zero or more, for either direction"),
    ):
        _refuse(table, reactive & bad, column, path, "is {} for reactive power", hint)


def _check_places(table: pd.DataFrame, path: Path, networks: Mapping[str, Network]) -> None:
    """Every bid has a system of the case and a bus of that system."""
    _refuse(
        table,
        ~table.system.isin(list(networks)),
        "system",
        path,
        "{} is no system of the case",
        f"Use {', '.join(networks)}",
    )
    for line, system, bus in zip(table.index, table.system, table.bus, strict=True):
        if bus not in networks[system].bus_index:
            raise no_such_bus(path, f"bus in line {line}", bus, networks[system])


def _book(part: pd.DataFrame, network: Network, place: str) -> Bids:
    """The bids of one system, in the order given."""
    buy = (part.side == "buy").to_numpy(dtype=bool)
    direction = np.where((part.direction == "up") ^ buy, UP, DOWN)
    node = network.nodes_of(part.bus.to_numpy(dtype=np.int64), f"bus of {place}")
    ids = part.bid_id.to_numpy(dtype=np.str_)
    quantity, price = _floats(part.quantity_mw), _floats(part.price_eur_per_mwh)
    provider = part.provider.to_numpy(dtype=np.str_)
    return replace(
        Bids.of(ids, provider, node, direction, quantity, price, buy),
        held_mw=_floats(part.held_mw),
        forwardable=(part.forwardable == "yes").to_numpy(dtype=bool),
    )


def _floats(column: pd.Series) -> FloatArray:
    return column.to_numpy(dtype=np.float64)
