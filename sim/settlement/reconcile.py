"""Check that the tables of a finished run agree on volumes needed, awarded, sold, paid, and unserved.

Every figure below is in two tables that were written independently. Tables are read column by column and one
row group at a time; only sums are stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tandem_sim.grids.errors import AuditError
from tandem_sim.grids.tolerances import EQUAL_MW, MONEY_TOLERANCE_EUR, SUM_ROUNDING_SHARE
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.markets.settlement.payments import MAKE_WHOLE, PURCHASE, RESERVE

REFUSALS = {"post_qualify": "tso_market"}
"""Auctions that take back awards of another market; `activations` holds the awards that remain."""
WITH_COMPANIES = "integrated_market"
"""The auction in which companies buy; its exchange is their purchase."""
BITS = 14
"""Bits of a key for a name; a run has fewer than 16 384 systems, markets and parties."""


def reconcile(folder: Path, hours: float) -> None:
    """Raise an `AuditError` that names ISP, tables and numbers where the tables in a folder disagree.

    `hours` is the length of an ISP. Sums agree within 1e-6 MW, MWh or EUR.
    """
    names = _Names()
    needed, left, wide, exchange = _clearings(folder, names)
    awarded, sold, up, down, energy, reserve = _activations(folder, names, wide)
    _agree(names, needed, awarded)
    reported, received = _sellers(folder, names, hours)
    _agree(names, reported, sold)
    paid, moved, bought = _settlement(folder, names, received, hours)
    _agree(names, received, paid, MONEY_TOLERANCE_EUR)
    _agree(names, energy.times(hours), moved)
    _agree(names, reserve.times(hours), _volumes(folder, names))
    _agree(names, exchange.times(hours), bought)
    for shown, summed in zip(_system(folder, names), (up, down, left), strict=True):
        _agree(names, shown, summed)
    if (folder / "bid_limits.parquet").is_file():  # it may be left out
        _agree(names, *_bid_limits(folder, names))


def reconcile_figures(folder: Path, hours: float, figures: Mapping[str, Any]) -> None:
    """The same for KPIs of a run, within 1e-6, against sums of tables `sellers` and `clearings`."""
    names, received, sold, left = _Names(), 0.0, 0.0, 0.0
    for rows in _groups(folder, "sellers", names, (), ("sold_mw", "received_eur_per_h")):
        received += float(rows.number["received_eur_per_h"].sum()) * hours
        sold += float(rows.number["sold_mw"].sum()) * hours
    for rows in _groups(folder, "clearings", names, (), ("short_mw", "long_mw")):
        left += float((rows.number["short_mw"] + rows.number["long_mw"]).sum()) * hours
    by_operator = sum(figures["procurement_cost_by_operator_eur"].values())
    for name, figure, table, value in (
        ("procurement_cost_eur", figures["procurement_cost_eur"], "sellers", received),
        ("procurement_cost_by_operator_eur", by_operator, "sellers", received),
        ("activated_mwh", figures["activated_mwh"], "sellers", sold),
        ("unserved_mwh", figures["unserved_mwh"], "clearings", left),
    ):
        if not abs(figure - value) <= MONEY_TOLERANCE_EUR + SUM_ROUNDING_SHARE * abs(value):
            raise AuditError(f"key figure {name} is {figure}, by table {table} it is {value}")


class _Names:
    """Numbers for the names in text columns, the same in all tables."""

    def __init__(self) -> None:
        self._code = {"": 0}  # no name

    def code(self, name: str) -> int:
        """The number of a name."""
        return self._code.setdefault(name, len(self._code))

    def codes(self, column: pa.ChunkedArray) -> IntArray:
        """Numbers (n,) of a column of dictionaries."""
        parts = [np.empty(0, dtype=np.int64)]
        for chunk in column.chunks:
            known = np.array([self.code(name) for name in chunk.dictionary.to_pylist()], dtype=np.int64)
            parts.append(known[chunk.indices.to_numpy()])
        return np.concatenate(parts)

    def text(self, key: int) -> str:
        """Text of a key: ISP, names, direction."""
        by_code = {code: name for name, code in self._code.items()}
        names = [(key >> 1 >> BITS) % (1 << BITS), (key >> 1) % (1 << BITS)]
        where = [by_code[code] for code in names if code]
        side = ["down"] if key % 2 else []
        return f"ISP {key >> 1 >> 2 * BITS}" + "".join(f", {word}" for word in [*where, *side])


def _key(isp: IntArray, first: IntArray | int, second: IntArray | int, down: BoolArray | int = 0) -> IntArray:
    """One number (n,) for an ISP, two names and a direction."""
    return np.asarray((((isp << BITS | first) << BITS | second) << 1) | down)


class _Sums:
    """A column of a table summed by key, over rows that come group by group."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._parts: list[tuple[IntArray, FloatArray]] = []

    def add(self, key: IntArray, value: FloatArray) -> None:
        self._parts.append(_by_key(key, value))

    def times(self, factor: float) -> _Sums:
        scaled = _Sums(self.what)
        scaled._parts = [(key, factor * value) for key, value in self._parts]
        return scaled

    def total(self) -> tuple[IntArray, FloatArray]:
        """Keys (k,), ascending, and their sums."""
        keys = [key for key, _ in self._parts] or [np.empty(0, dtype=np.int64)]
        values = [value for _, value in self._parts] or [np.empty(0)]
        return _by_key(np.concatenate(keys), np.concatenate(values))


def _by_key(key: IntArray, value: FloatArray) -> tuple[IntArray, FloatArray]:
    found, place = np.unique(key, return_inverse=True)
    return found, np.bincount(place, weights=value, minlength=len(found)).astype(np.float64)


def _agree(names: _Names, one: _Sums, other: _Sums, tolerance: float = EQUAL_MW) -> None:
    """Raise `AuditError` where two sums differ under a key; a key without rows is zero."""
    (first, x), (second, y) = one.total(), other.total()
    keys = np.union1d(first, second)
    left, right = np.zeros(len(keys)), np.zeros(len(keys))
    left[np.searchsorted(keys, first)] = x
    right[np.searchsorted(keys, second)] = y
    wrong = ~(np.abs(left - right) <= tolerance + SUM_ROUNDING_SHARE * np.abs(left))
    if wrong.any():
        k = int(np.argmax(wrong))
        raise AuditError(f"{names.text(int(keys[k]))}: {one.what} is {left[k]}, {other.what} is {right[k]}")


@dataclass(frozen=True)
class _Rows:
    """n rows of a table."""

    isp: IntArray
    code: Mapping[str, IntArray]  # texts, as numbers of names
    number: Mapping[str, FloatArray]  # numbers in the units of the table; directions +1 and -1


def _groups(
    folder: Path, table: str, names: _Names, texts: Sequence[str], numbers: Sequence[str]
) -> Iterator[_Rows]:
    """Columns of a table as arrays (n,), a row group at a time."""
    with pq.ParquetFile(folder / f"{table}.parquet", read_dictionary=list(texts)) as file:
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group, columns=["isp", *texts, *numbers])
            code = {name: names.codes(rows.column(name)) for name in texts}
            number = {name: rows.column(name).to_numpy() for name in numbers}
            yield _Rows(rows.column("isp").to_numpy(), code, number)


def _clearings(folder: Path, names: _Names) -> tuple[_Sums, _Sums, list[int], _Sums]:
    """Net MW auctions must award; MW unserved; markets awarding in all systems; exchange of companies."""
    needed, left = _Sums("need - short + long - exchange (MW) of clearings"), _Sums("unserved of clearings")
    exchange, wide, tso = _Sums("companies' exchange (MWh) of clearings"), set[int](), names.code(TSO)
    for rows in _groups(
        folder, "clearings", names, ("system", "market"), ("need_mw", "exchange_mw", "short_mw", "long_mw")
    ):
        market, system = rows.code["market"], rows.code["system"]
        for refusal, of in REFUSALS.items():
            mine = market == names.code(refusal)
            market, system = np.where(mine, names.code(of), market), np.where(mine, tso, system)
        wide.update(market[system == tso].tolist())
        net = (
            rows.number["need_mw"]
            - rows.number["short_mw"]
            + rows.number["long_mw"]
            - rows.number["exchange_mw"]
        )
        needed.add(_key(rows.isp, market, system), net)
        left.add(_key(rows.isp, 0, 0), rows.number["short_mw"] + rows.number["long_mw"])
        mine = market == names.code(WITH_COMPANIES)
        exchange.add(_key(rows.isp[mine], 0, 0), rows.number["exchange_mw"][mine])
    return needed, left, sorted(wide), exchange


def _activations(
    folder: Path, names: _Names, wide: Sequence[int]
) -> tuple[_Sums, _Sums, _Sums, _Sums, _Sums, _Sums]:
    """Awards: net by auction; by seller, system and direction; all up; all down; net by seller.

    And of the reserve by seller and direction.
    """
    awarded, sold = _Sums("net award (MW) of activations"), _Sums("award (MW) of activations")
    up, down = _Sums("up award (MW) of activations"), _Sums("down award (MW) of activations")
    energy, reserve = _Sums("net energy (MWh) of activations"), _Sums("aFRR (MWh) of activations")
    texts = ("system", "market", "provider")
    for rows in _groups(folder, "activations", names, texts, ("direction", "quantity_mw")):
        isp, mw, below = rows.isp, rows.number["quantity_mw"], rows.number["direction"] < 0
        net = np.where(below, -mw, mw)
        system = np.where(np.isin(rows.code["market"], wide), names.code(TSO), rows.code["system"])
        auction = rows.code["market"] != names.code(RESERVE)
        awarded.add(_key(isp, rows.code["market"], system)[auction], net[auction])
        sold.add(_key(isp, rows.code["provider"], rows.code["system"], below), mw)
        up.add(_key(isp[~below], 0, 0), mw[~below])
        down.add(_key(isp[below], 0, 0), mw[below])
        energy.add(_key(isp, rows.code["provider"], 0), net)
        reserve.add(_key(isp, rows.code["provider"], 0, below)[~auction], mw[~auction])
    return awarded, sold, up, down, energy, reserve


def _volumes(folder: Path, names: _Names) -> _Sums:
    """Delivered aFRR (MWh) of the five-minute comparisons, by seller and direction."""
    delivered = _Sums("delivered_mwh of reserve_volumes")
    for rows in _groups(folder, "reserve_volumes", names, ("provider",), ("direction", "delivered_mwh")):
        delivered.add(
            _key(rows.isp, rows.code["provider"], 0, rows.number["direction"] < 0),
            rows.number["delivered_mwh"],
        )
    return delivered


def _sellers(folder: Path, names: _Names, hours: float) -> tuple[_Sums, _Sums]:
    """Sold by seller, system and direction; received (EUR) by seller, of those too that sold nothing."""
    sold, received = _Sums("sold_mw of sellers"), _Sums("received (EUR) of sellers")
    for rows in _groups(
        folder, "sellers", names, ("system", "provider"), ("direction", "sold_mw", "received_eur_per_h")
    ):
        some = rows.number["sold_mw"] != 0.0
        key = _key(rows.isp, rows.code["provider"], rows.code["system"], rows.number["direction"] < 0)
        sold.add(key[some], rows.number["sold_mw"][some])
        received.add(_key(rows.isp, rows.code["provider"], 0), rows.number["received_eur_per_h"] * hours)
    return sold, received


def _settlement(folder: Path, names: _Names, received: _Sums, hours: float) -> tuple[_Sums, _Sums, _Sums]:
    """Pay for awards (EUR) and energy (MWh) by seller; energy that companies bought.

    Payments of companies are not those of sellers: payments count if they are activations, or if the payee
    occurs in `sellers`.
    """
    paid, moved = _Sums("pay for awards (EUR) of settlement"), _Sums("activated (MWh) of settlement")
    bought = _Sums("purchased (MWh) of settlement")
    energy, purchase = [names.code("activation"), names.code(RESERVE)], names.code(PURCHASE)
    more = [names.code(MAKE_WHOLE)]
    sellers = np.unique((received.total()[0] >> 1 >> BITS) % (1 << BITS))
    for rows in _groups(folder, "settlement", names, ("payee", "kind"), ("quantity_mwh", "amount_eur")):
        key, kind, mwh = _key(rows.isp, rows.code["payee"], 0), rows.code["kind"], rows.number["quantity_mwh"]
        of_energy = np.isin(kind, energy)
        due = of_energy | (np.isin(kind, more) & np.isin(rows.code["payee"], sellers))
        paid.add(key[due], rows.number["amount_eur"][due])
        moved.add(key[of_energy], mwh[of_energy])
        bought.add(_key(rows.isp[kind == purchase], 0, 0), mwh[kind == purchase])
    return paid, moved, bought


def _bid_limits(folder: Path, names: _Names) -> tuple[_Sums, _Sums]:
    """Reduction of offers to the TSO by block, area and direction: of all offers, and summed over bids."""
    whole, single = (
        _Sums("offered - allowed (MW) of bid_checks"),
        _Sums("offered - allowed (MW) of bid_limits"),
    )
    texts, numbers = (
        ("market", "system"),
        [f"{k}_{d}_mw" for k in ("offered", "allowed") for d in ("up", "down")],
    )
    for rows in _groups(folder, "bid_checks", names, texts, numbers):
        for down, way in enumerate(("up", "down")):
            key = _key(rows.isp, rows.code["market"], rows.code["system"], down)
            whole.add(key, rows.number[f"offered_{way}_mw"] - rows.number[f"allowed_{way}_mw"])
    for rows in _groups(folder, "bid_limits", names, texts, ("direction", "offered_mw", "allowed_mw")):
        key = _key(rows.isp, rows.code["market"], rows.code["system"], rows.number["direction"] < 0)
        single.add(key, rows.number["offered_mw"] - rows.number["allowed_mw"])
    return whole, single


def _system(folder: Path, names: _Names) -> tuple[_Sums, ...]:
    """Activated up, activated down and unserved MW of table `system`."""
    columns = ("activated_up_mw", "activated_down_mw", "unserved_mw")
    found = tuple(_Sums(f"{name} of system") for name in columns)
    for rows in _groups(folder, "system", names, (), columns):
        for sums, name in zip(found, columns, strict=True):
            sums.add(_key(rows.isp, 0, 0), rows.number[name])
    return found
