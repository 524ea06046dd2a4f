"""A scenario with one of everything, a field of which can be set by the path that the schema has."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from tandem_sim.experiments.runs.fields import Row, rows
from tests.sim.conftest import SMALL

SERIES = Path(__file__).parent / "series"

EVERYTHING: dict[str, Any] = yaml.safe_load(SMALL.read_text(encoding="utf-8")) | {
    "start": "2016-01-18T17:00",
    "distribution": [
        {**area, "population": {}}
        for area in yaml.safe_load(SMALL.read_text(encoding="utf-8"))["distribution"]
    ],
    "population": {
        **yaml.safe_load(SMALL.read_text(encoding="utf-8"))["population"],
        "devices": {"water_heater": {"share": 0.3}, "v2g": {"share": 0.4}},
    },
    "strategies": [{"aggregators": ["A01"], "name": "fixed-markup"}],
    "reserve": {"enabled": True, "cycle_s": 60},
    "flexibility_register": {
        "enabled": True,
        "grid_test": True,
        "study": {
            "newcomers": [{"share": 0.1, "applied": "2016-01-18"}],
            "reviews": [{"area": "D1", "on": "2016-01-18"}],
            "emergencies": [],
        },
    },
    "capacity": {
        "afrr_up_mw": 2.0,
        "afrr_down_mw": 2.0,
        "mfrr_up_mw": 1.0,
        "mfrr_down_mw": 1.0,
        "nomination": True,
        "local": {"needs": [{"area": "D1", "direction": "up", "mw": 0.05, "from_hour": 17, "to_hour": 21}]},
    },
    "forwarding": {"amend": True, "reprice": True},
    "local_reactive": {"enabled": True},
    "mitigation": {"enabled": True},
    "settlement": {"baseline": "schedule"},
    "low_voltage": [
        {
            "name": "S",
            "area": "D1",
            "bus": 61,
            "grid": "ieee_european_lv_asymmetric",
            "source_vm_pu": 1.0,
            "band": {"low_pu": 0.95},
            "plug_in": {"at": "2016-01-18T17:00:00", "kwh": 30.0},
        }
    ],
    "forecast": {"given": [{"area": "D1", "file": str(SERIES / "everything_forecast.csv")}]},
    "non_firm": {
        "enabled": True,
        "guaranteed_import_kw": 4.2,
        "guaranteed_export_kw": 5.0,
        "trading": True,
        "substitution": ["portfolio", "aggregators", "tso"],
        "participation": 0.6,
    },
    "profiles": [
        {"file": str(SERIES / "everything.csv"), "unit": "MW", "columns": {"works_mw": "works"}},
        {
            "file": str(SERIES / "everything.csv"),
            "unit": "EUR/MWh",
            "columns": {"price_eur_per_mwh": "price"},
        },
    ],
    "prices": {"day_ahead": "price"},
    "incidents": [{"bus": 3, "mw": 5.0, "start": "2016-01-18T17:30:00", "end": "2016-01-18T18:30:00"}],
}
EVERYTHING["distribution"][0]["injections"] = [{"bus": 61, "profile": "works", "tan_phi": 0.3}]
EVERYTHING["transmission"]["injections"] = [{"bus": 3, "profile": "works"}]
"""On a winter evening at five, when cars are plugged in."""
NUMBERS: list[Row] = [row for row in rows() if row.low is not None]


def with_field(row: Row, value: Any, base: dict[str, Any] = EVERYTHING) -> dict[str, Any]:
    """The scenario with a field set; in a list of sections that of the first, made if need be."""
    data = deepcopy(base)
    place: Any = data
    *above, key = row.path.split(".")
    for step in above:
        name = step.removesuffix("[]")
        place = place.setdefault(name, [] if step.endswith("[]") else {})
        if step.endswith("[]"):
            if not place:
                place.append({})
            place = place[0]
    place[key] = value
    return data


def location(row: Row) -> tuple[str | int, ...]:
    """Where pydantic finds fault with the field in such a scenario."""
    steps: list[str | int] = []
    for step in row.path.split("."):
        steps += [step.removesuffix("[]"), 0] if step.endswith("[]") else [step]
    return tuple(steps)


def holding(row: Row, value: Any) -> Any:
    """A number as the field takes it: by itself, in a list, in a mapping, or as both ends of a range."""
    if row.kind == "object":
        return {"line 4": value}
    if row.kind == "array":
        return [value, value] if row.length == (2, 2) else [value]
    return value
