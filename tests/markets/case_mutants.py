"""Cases that nobody has tried, for fuzz tests: bids, options and grids drawn from all they may be.

    for case, schemes in cases(200, tmp_path):
        found = outcome(case, schemes)  # counts by what came of it; anything else is raised

Seeds are the bundled cases and a little one of two areas with every column that bids may have. A case has
one to three changes: numbers of bids at the ends of what they may be, options, ratings, schedules, zones,
cells of its grids (`changed_cell`), or a fault of text or tree in one of its files (`tests.mutants`).
"""

from __future__ import annotations

import csv
import io
import json
import math
import random
import shutil
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from tandem_sim.experiments.api import clear
from tandem_sim.experiments.runs.bundled import CASES, case_path
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.io.read import load_network
from tandem_sim.grids.network.network import Network
from tandem_sim.grids.network.ranges import COLUMNS
from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.markets.cases.case import Case, read_case
from tandem_sim.markets.cases.options import NAMES, RANGES
from tandem_sim.markets.choices import ABOUT
from tests.markets.cases.test_edge_markets import little_case
from tests.mutants import Kind, mutants

Files = dict[str, str]
SUFFIXES: dict[str, Kind] = {".json": "json", ".csv": "csv"}
QUANTITIES = ("0", "1e-12", "1e-9", "2e-9", "1e-6", "0.001", "1", "50", "1e4", "1e6", "9e11")
PRICES = ("0", "-1e-9", "1e-6", "-50", "9999", "-99999", "99999", "1e6", "-9e11", "9e11", "60", "60.0000001")
WIDE = """bid_id,system,bus,direction,quantity_mw,price_eur_per_mwh,side,provider,held_mw,forwardable,power
d1.up,D1,11,up,1,60,sell,P,0.2,yes,active
d1.down,D1,11,down,1,20,sell,P,0,yes,active
d2,D1,12,up,1,70,sell,Q,0,no,active
d3,D1,12,up,0.5,5,sell,Q,0,yes,reactive
d4,D1,12,down,0.5,90,buy,R,0,yes,active
e1,D2,11,up,0.5,55,sell,P,0,yes,active
e2,D2,12,down,0.5,15,sell,Q,0,yes,active
e3,D2,11,down,0.5,4,sell,Q,0,yes,reactive
t1,T,1,up,2,80,sell,S,0,yes,active
t2,T,2,down,2,10,sell,S,1,yes,active
t3,T,2,up,1,100,buy,V,0,yes,active
"""


@cache
def seeds(scratch: Path, bundled: tuple[str, ...]) -> tuple[Files, ...]:
    """The files of every seed by name. The little case is drawn more often: others take longer to read."""
    little = little_case(scratch / "little", areas=("D1", "D2"), end_mw=0.8)
    (little / "bids.csv").write_text(WIDE, encoding="utf-8")
    folders = [little] * 40 + [case_path(name) for name in bundled]
    found = tuple({p.name: p.read_text(encoding="utf-8") for p in sorted(f.iterdir())} for f in folders)
    return tuple({n: short(t) if n[0] in "DT" else t for n, t in files.items()} for files in found)


def cases(n: int, scratch: Path, bundled: Iterable[str] = CASES) -> Iterator[tuple[Case, list[str]]]:
    """The first `n` cases that are read, each with the schemes that it is to be cleared under."""
    rng = random.Random(2)
    k = 0
    while k < n:
        files = dict(rng.choice(seeds(scratch, tuple(bundled))))
        for _ in range(rng.choice((1, 1, 2, 3))):
            rng.choice((_bids, _bids, _spec, _spec, _grid, _spoiled))(rng, files)
        folder = scratch / "case"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_bytes(text.encode("utf-8", "surrogatepass"))
        schemes = rng.sample(sorted(ABOUT), 4)
        try:
            case = read(folder)
        except InputError:
            continue
        yield case, list(ABOUT) if k % 10 == 0 else schemes
        k += 1


def read(folder: Path) -> Case:
    """A case, from grids that are read once for one content."""
    with patch("tandem_sim.markets.cases.case.load_network", _kept):
        return read_case(folder)


def _kept(grid: str, folder: Path) -> Network:
    path = folder / grid
    return _network(grid, folder, path.read_bytes()) if path.is_file() else load_network(grid, folder)


@lru_cache(maxsize=32)
def _network(grid: str, folder: Path, content: bytes) -> Network:
    return load_network(grid, folder)


def short(text: str) -> str:
    """A pandapower JSON without its empty tables, which every net has when it is read."""
    tree = json.loads(text)
    kept = {k: v for k, v in tree["_object"].items() if '"index":[]' not in str(v)}
    return json.dumps(tree | {"_object": kept})


def _bids(rng: random.Random, files: Files) -> None:
    """A column of one bid, of some or of all set to one value, or to one each; or no bids at all."""
    try:
        table = list(csv.DictReader(io.StringIO(files["bids.csv"])))
    except csv.Error:
        return
    if not table or not {"quantity_mw", "price_eur_per_mwh", "direction"} <= table[0].keys():
        return
    if rng.random() < 0.05:
        table, head = [], list(table[0])
    else:
        head = list(table[0])
        column = rng.choice(("quantity_mw", "price_eur_per_mwh", "price_eur_per_mwh", *head))
        known = {
            "quantity_mw": QUANTITIES,
            "held_mw": QUANTITIES,
            "price_eur_per_mwh": PRICES,
            "direction": ("up", "down"),
            "side": ("buy", "sell"),
            "forwardable": ("yes", "no"),
            "power": ("active", "reactive"),
            "provider": ("P", "one"),
            "system": ("D1", "D2", "T"),
        }.get(column, ("1", "2", "11", "12"))
        same = rng.choice(known) if rng.random() < 0.5 else None
        for row in rng.sample(table, rng.choice((1, min(3, len(table)), len(table)))):
            row[column] = same or rng.choice(known)
            if column == "bid_id":
                row[column] = f"{row[column]}-{len(table)}"
    out = io.StringIO()
    writer = csv.DictWriter(out, head, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(table)
    files["bids.csv"] = out.getvalue()


def _spec(rng: random.Random, files: Files) -> None:
    try:
        spec = json.loads(files["case.json"])
        entry = rng.choice(spec["distribution"])
        transmission = spec["transmission"]
    except (ValueError, KeyError, IndexError, TypeError):
        return
    way = rng.randrange(8)
    if not isinstance(entry, dict) or not isinstance(transmission, dict):
        return
    if way <= 3:
        options = spec.setdefault("options", {})
        more = ("boundary_tolerance_mw", "pool_minimum_mw", "mitigation", "local_reactive")
        for name in rng.sample((*NAMES, *RANGES, *more), 3):
            if isinstance(options, dict):
                options[name] = _option(rng, name)
    elif way == 4:
        place = rng.choice((entry, transmission))
        place["ratings_mva"] = {f"line {rng.randrange(1 if place is transmission else 2)}": _size(rng)}
    elif way == 5:
        entry["scheduled_mw"] = rng.choice((0, 1, -1)) * _size(rng)
    elif way == 6:
        entry["interface_bus"] = rng.randrange(14)
    elif rng.random() < 0.5:
        entry["green"] = {"up": [], "down": rng.choice(([], [11], [12]))}
    else:
        spec["distribution"].remove(entry)
    files["case.json"] = json.dumps(spec)


def _size(rng: random.Random) -> float:
    return rng.choice((0.0, 1e-12, 1e-9, 1e-6, 1e-3, 1.0, 100.0, 1e6, 9.9e11, math.exp(rng.uniform(-20, 20))))


def _option(rng: random.Random, name: str) -> Any:
    if name in NAMES:
        return rng.choice(NAMES[name])
    if name in ("mitigation", "local_reactive"):
        return rng.random() < 0.7
    low, high = RANGES.get(name, (0.0, 1e12))
    if name == "mol_rounds":
        return rng.choice((1, 2, 60))
    return rng.choice((low, high, low + (high - low) * 1e-9, min(high, max(low, _size(rng)))))


def _grid(rng: random.Random, files: Files) -> None:
    name = rng.choice(("T.json", "D1.json", "D2.json"))
    if name in files:
        files[name] = changed_cell(rng, files[name])


def changed_cell(rng: random.Random, text: str) -> str:
    """A pandapower JSON with one to three numbers of one column at an end of what they may be, or scaled."""
    try:
        tree = json.loads(text)
        net = tree["_object"]
        names = [name for name in COLUMNS if name in net and '"index":[]' not in net[name]["_object"]]
        item = net[rng.choice(names)]
        table = json.loads(item["_object"])
        name = next(name for name in names if net[name] is item)
        known = [c for c in table["columns"] if c in COLUMNS[name]]
        column = "in_service" if rng.random() < 0.05 else rng.choice(known)
    except (ValueError, KeyError, IndexError, TypeError):
        return text
    at = table["columns"].index(column)
    rows = rng.choice((1, 1, 3, len(table["data"])))
    value: Any
    for row in rng.sample(table["data"], min(rows, len(table["data"]))):
        old = row[at]
        if column == "in_service":
            value = not old
        else:
            rule = COLUMNS[name][column]
            ends = (rule.least, rule.most, rule.least + (rule.most - rule.least) * 1e-9, 0.0, 1.0, 2.0)
            near = (old * f for f in (1e3, 1e-3, -1.0, 30.0, 0.03, 3.0, 10.0) if isinstance(old, int | float))
            value = rng.choice([v for v in (*ends, *near) if rule.least <= v <= rule.most])
        row[at] = value
    item["_object"] = json.dumps(table, separators=(",", ":"))
    return json.dumps(tree)


def _spoiled(rng: random.Random, files: Files) -> None:
    name = rng.choice(("bids.csv", "bids.csv", "case.json"))
    try:
        *_, last = mutants(files[name], rng.randrange(1, 6), SUFFIXES[Path(name).suffix])
    except ValueError:  # spoiled before, so that there is no tree in it any more
        return
    files[name] = last.decode("utf-8", "replace")


def outcome(case: Case, schemes: list[str]) -> dict[str, int]:
    """Clear a case: how many schemes ran and failed with a reason. Raises what is a fault.

    No number may be infinite or NaN, nobody may sell more than was bid.
    """
    cleared = clear(case, schemes)
    for entry in cleared.entries():
        json.dumps(entry, allow_nan=False)
    offered = _offered(case)
    for name, result in cleared.outcomes.items():
        assert math.isfinite(result.cost_eur_per_h), name
        sold: dict[str, float] = {}
        for bid, _, mw in result.cleared:
            sold[bid] = sold.get(bid, 0.0) + mw
        for bid, mw in sold.items():
            slack = 1e-6 * (1.0 + offered[bid])
            assert -slack <= mw <= offered[bid] + slack, (name, bid, mw, offered[bid])
        assert result.unserved_imbalance_mw >= -NEGLIGIBLE_MW, name
    for name, reason in cleared.failed.items():
        assert reason.isprintable(), name
        assert len(reason) < 1500, name
    return {"ran": len(cleared.outcomes), "no solution": len(cleared.failed)}


def _offered(case: Case) -> dict[str, float]:
    books = [case.tso_bids, *(area.bids for area in case.areas.values())]
    found: dict[str, float] = {}
    for book in books:
        found |= dict(zip(book.bid_id.tolist(), np.asarray(book.quantity_mw).tolist(), strict=True))
    return found
