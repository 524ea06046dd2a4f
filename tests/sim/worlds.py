"""Scenarios that nobody has tried, for fuzz tests: small worlds with a few fields drawn from all they may be.

    for keys in worlds(200):
        found = outcome(keys, folder)  # "ran", or the message that refused it; anything else is raised

Three of four come from the schema (`tandem_sim.experiments.runs.fields`): one to eight fields at an end of
their range, beside it, or anywhere inside; names are any there are. The others are mutants of text and tree
(`tests.mutants`). Each is made of one of seven seeds: `small.yaml`, the bundled scenarios, and the world with
one of everything, all scaled down to tens of households and hours of an ISP.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from contextlib import ExitStack
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import yaml

from tandem_sim.agents.choices import ABOUT_STRATEGIES
from tandem_sim.experiments.results.kpis import kpis_of
from tandem_sim.experiments.run_folder.conflicts import write_conflicts
from tandem_sim.experiments.runs.fields import Row, rows
from tandem_sim.experiments.runs.scenario import read_keys, scenario_of
from tandem_sim.grids.documents.yaml_reader import read_yaml
from tandem_sim.grids.errors import ClearingError, InputError, StrategyError
from tandem_sim.markets.choices import ABOUT
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.markets.schemes import build_schemes
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.inputs.memory_need import GIB
from tandem_sim.sim.run import run
from tandem_sim.sim.scenario.scenario import Scenario
from tandem_sim.sim.settlement.reconcile import reconcile_figures
from tests.mutants import mutants
from tests.sim.everything import EVERYTHING, holding, with_field

ISPS = 2
SEEDS = ("small", "reference", "dutch", "belgian", "lv-feeder", "nfca-clash", "germany", "everything")
OFTEN = (20, 2, 1, 1, 1, 1, 1, 2)
"""How often each is taken: the small one runs in a tenth of the time of others."""
SMALL = Path(__file__).with_name("small.yaml")
STARTS = (
    *("2016-01-01", "2016-02-29", "2016-03-27", "2016-03-27T01:00", "2016-10-30", "2016-10-30T02:00"),
    *("2016-12-31", "2016-12-31T21:00", "2016-07-01T12:00", "2016-03-26T23:00", "2016-10-29T17:00"),
)
"""The ends of the measured year, the nights on which clocks change, and others."""
ZONES = ("UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia", "Europe/London", "America/New_York")
GRIDS = ("case4gs", "case9", "case33bw", "case14", "case69", "case6ww")
TEXTS = {
    "start": STARTS,
    "zone": ZONES,
    "scheme": tuple(ABOUT),
    "strategy": tuple(ABOUT_STRATEGIES),
    "strategies[].name": tuple(ABOUT_STRATEGIES),
    "strategies[].aggregators": ("A01", "A02", "G1", "L3"),
    "transmission.grid": GRIDS,
    "distribution[].grid": GRIDS,
    "transmission.load_profile": ("hv_urban", "hv_mixed1", "H0-A", "G3-A"),
    "distribution[].other_profile": ("hv_urban", "G0-A", "L2-A", "G3-M"),
    "settlement.holidays": ("none", "BE", "DE-NW", "zone"),
    "conduct.double_selling": ("A01", "A02"),
}
"""Fields of text that have no names in the schema, and what is tried in them."""


@cache
def fields() -> tuple[Row, ...]:
    """Fields that values are drawn for."""
    return tuple(
        row
        for row in rows()
        if row.path in TEXTS or row.names or row.low is not None or row.kind == "boolean"
    )


@cache
def seed_of(name: str) -> dict[str, Any]:
    """The keys of a seed."""
    keys: dict[str, Any]
    if name == "small":
        keys = yaml.safe_load(SMALL.read_text(encoding="utf-8"))
    else:
        keys = deepcopy(EVERYTHING) if name == "everything" else deepcopy(read_keys(name)[0])
    for lv_feeder in keys.get("low_voltage", ()):
        lv_feeder["copies"] = 1
    households = 400 if name in ("nfca-clash", "everything") else 200 if "low_voltage" in keys else 60
    if name in ("lv-feeder", "nfca-clash"):
        keys["start"] = f"{keys['start']}T17:00"
    return keys | {"households": households, "isp_minutes": 60, "days": 1}


def worlds(n: int, quick: bool = False) -> Iterator[dict[str, Any]]:
    """The keys of the first `n` scenarios that the reader accepts.

    `quick` ones are all made of the small seed and have no other grids, which take seconds to read.
    """
    rng = random.Random(1)
    seeds = SEEDS[:1] if quick else SEEDS
    texts = {name: mutants(yaml.safe_dump(seed_of(name)), 1_000_000, "yaml") for name in seeds}
    while n:
        name = SEEDS[0] if quick else rng.choices(SEEDS, OFTEN)[0]
        spoiled = rng.random() < 0.25
        keys = _read(next(texts[name])) if spoiled else _drawn(rng, deepcopy(seed_of(name)), quick)
        if keys is None or keys == seed_of(name) or not _accepted(keys):
            continue
        yield keys
        n -= 1


def _read(text: bytes) -> dict[str, Any] | None:
    try:
        keys = read_yaml(text.decode("utf-8"), "mutant")
    except (InputError, UnicodeDecodeError):
        return None
    return keys if isinstance(keys, dict) else None


def _accepted(keys: dict[str, Any]) -> bool:
    try:
        scenario_of(keys, "mutant")
    except InputError:
        return False
    return True


def _drawn(rng: random.Random, keys: dict[str, Any], quick: bool) -> dict[str, Any]:
    known = [row for row in fields() if not (quick and row.path.endswith(".grid"))]
    if rng.random() < 0.5:  # features of the world with everything, in another
        kept = {"name", "start", "low_voltage", "distribution", "incidents"}
        for section in rng.sample(sorted(EVERYTHING.keys() - kept), 3):
            keys[section] = deepcopy(seed_of("everything")[section])
    for row in rng.choices(known, k=rng.choice((1, 2, 2, 3, 4, 6, 8))):
        if row.path in ("name", "description", "days", "isp_minutes") and rng.random() < 0.8:
            continue
        above = row.path.split(".")[0].removesuffix("[]")
        if "[]" in row.path and above not in keys and above in EVERYTHING:
            if rng.random() < 0.7 or (quick and above == "low_voltage"):
                continue
            keys |= {above: deepcopy(EVERYTHING[above]), "households": 400, "start": EVERYTHING["start"]}
        value = _value(rng, row)
        if value is not None or row.nullable:
            keys = with_field(row, value, keys)
    return keys


def _value(rng: random.Random, row: Row) -> Any:
    """A value that the field may have; None where nothing is known."""
    if row.nullable and rng.random() < 0.2:
        return None
    if row.path in TEXTS:
        text = rng.choice(TEXTS[row.path])
        return [text] if row.kind == "array" else text
    if row.kind == "boolean":
        return rng.random() < 0.5
    if row.names:
        some = rng.sample(row.names, rng.randrange(len(row.names) + 1))
        return some if row.kind == "array" else rng.choice(row.names)
    if row.low is None or row.high is None:
        return None
    if row.kind == "array" and row.length == (2, 2):
        return sorted((_number(rng, row), _number(rng, row)))
    return holding(row, _number(rng, row))


def _number(rng: random.Random, row: Row) -> float:
    low, high = float(row.low or 0.0), float(row.high or 0.0)
    way = rng.randrange(6)
    if row.path.endswith((".bus", "_bus", "buses")):
        found = float(rng.randrange(14))
    elif way == 0:
        found = low
    elif way == 1:
        found = high
    elif way == 2:
        found = low + (high - low) * 1e-6
    elif way == 3:
        found = rng.uniform(low, high)
    elif row.usual is not None:
        found = rng.choice((*row.usual, rng.uniform(*row.usual)))
    else:
        found = low + (high - low) * math.exp(-rng.uniform(0.0, 15.0))
    whole = row.kind == "integer" or (isinstance(row.low, int) and isinstance(row.high, int))
    return int(found) if whole else found


def outcome(keys: dict[str, Any], folder: Path, figures: bool = True) -> str:
    """Run the first ISPs, close all tables, and work out `figures` if asked to: "ran", or what refused it.

    Raises whatever else happens: a fault.
    """
    scenario = scenario_of(keys, "mutant")
    with ExitStack() as changed:
        changed.enter_context(patch.object(Scenario, "calendar", property(_few_isps)))
        changed.enter_context(patch("tandem_sim.sim.inputs.memory_need.machine_bytes", lambda: GIB))
        try:
            run(scenario, None, folder)
        except (InputError, StrategyError, ClearingError) as error:
            text = str(error)
            assert text.isprintable(), text
            assert len(text) < 1500, text
            return text
        if figures:
            hours = scenario.isp_minutes / 60.0
            write_conflicts(folder, build_schemes(scenario.scheme_options)[scenario.scheme], hours)
            reconcile_figures(folder, hours, kpis_of(folder))
    return "ran"


def _few_isps(scenario: Scenario) -> Calendar:
    whole = Calendar.of_days(str(scenario.start), scenario.days, scenario.isp_minutes, scenario.zone)
    end = min(whole.end, whole.start + ISPS * pd.Timedelta(minutes=whole.isp_minutes))
    return Calendar(whole.start, end, whole.isp_minutes, whole.zone)


GAPS = {
    "flexibility_study.until_s": "no end",
    "non_firm.import_kw": "no limit on that side",
    "non_firm.export_kw": "no limit on that side",
    "amendments.quantity_mw": "the DSO has no such bid",
    "amendments.price_eur_per_mwh": "the DSO has no such bid",
    "non_firm.excess_pct": "the power flow without limits has no solution",
    "branch_loading.base_loading_pct": "transmission is not solved without activation",
    "bus_voltage.base_vm_pu": "transmission is not solved without activation",
    "branches.rating_mva": "no rating",
    "buses.x": "no coordinates in the net",
    "buses.y": "no coordinates in the net",
    "sellers.price_eur_per_mwh": "nothing on offer",
    "sellers.offered_cost_eur_per_mwh": "nothing on offer",
}
"""Columns of numbers that may be empty, and what that says."""


def not_finite(folder: Path) -> set[str]:
    """Columns of numbers that hold a NaN or an infinity without saying anything by it, as ``table.column``.

    In `grid` those of transmission and of power flows without a solution are empty (docs/formats.md).
    """
    found = set()
    for path in sorted(folder.glob("*.parquet")):
        table = pq.read_table(path).to_pandas()
        if path.stem == "grid":
            table = table[(table.system != TSO) & table.converged & table.base_converged]
        for name, values in table.select_dtypes("floating").items():
            if not np.isfinite(values.to_numpy()).all():
                found.add(f"{path.stem}.{name}")
    return found - GAPS.keys()
