"""JSON schema (draft 2020-12) of scenario and sweep files, for editors and other programs.

It comes from the fields of `Scenario`: meaning, unit (``unit``), accepted range (``minimum``, ``maximum``),
usual range (``usual``), default. What the schema refuses Tandem refuses too, but for dates in unusual
notations. The reverse does not hold: rules between fields, and names of grids and profiles, are checked by
``tandem validate`` only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tandem_sim.experiments.run_folder.outputs import check_file, is_object_of, whole
from tandem_sim.experiments.runs.based_on import BASED_ON
from tandem_sim.experiments.runs.bundled import SCENARIOS
from tandem_sim.experiments.runs.fields import NAMED
from tandem_sim.experiments.sweeps.sweep import Sweep
from tandem_sim.sim.scenario.described import written
from tandem_sim.sim.scenario.scenario import Scenario

DRAFT = "https://json-schema.org/draft/2020-12/schema"
TIME = r"([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)"
FORMATS = {"date": r"^\d{4}-\d{2}-\d{2}$", "date-time": rf"^\d{{4}}-\d{{2}}-\d{{2}}{TIME}?$"}
"""Dates and times are local, so they have no offset, which the format ``date-time`` demands."""
BASE = {
    "description": "The scenario that this one changes: a bundled name, or a file relative to this one.",
    "type": "string",
    "anyOf": [{"enum": list(SCENARIOS)}, {"pattern": r"\.ya?ml$"}],
}
BELOW = ("array", "object")
Schema = dict[str, Any]


def scenario_schema() -> Schema:
    """The schema of a scenario file. With ``based_on`` no other key is required."""
    found = Scenario.model_json_schema(by_alias=True)
    sections: dict[str, Schema] = {name: _section(about) for name, about in found["$defs"].items()}
    whole_file = _section(found)
    needed = _requirements(whole_file, sections)
    return {
        "$schema": DRAFT,
        "$comment": f"written by tandem schema, tandem-sim {version('tandem-sim')}",
        "title": "Scenario of Tandem",
        **whole_file,
        "properties": {BASED_ON: BASE, **_with_names(whole_file["properties"])},
        "if": {"not": {"required": [BASED_ON]}},
        "then": needed,
        "$defs": sections,
    }


def sweep_schema() -> Schema:
    """The schema of a sweep file: fields by their paths, each with values as in a scenario."""
    scenario = scenario_schema()
    sections = {**scenario["$defs"], "Scenario": {"properties": scenario["properties"]}}
    fields = dict(_by_path(scenario["properties"], sections, "", "#/$defs/Scenario"))
    inside = _inside_lists(scenario["properties"], sections)
    several = {path: {"type": "array", "items": value, "minItems": 1} for path, value in fields.items()}
    found = _section(Sweep.model_json_schema(by_alias=True))
    properties = found["properties"]
    properties["schemes"]["items"] = {"$ref": "#/$defs/Scenario/properties/scheme"}
    properties["set"] |= {"properties": fields, "patternProperties": {inside: {}}}
    properties["vary"] |= {
        "properties": several,
        "patternProperties": {inside: {"type": "array", "minItems": 1}},
    }
    properties["also"]["items"] = {key: properties["set"][key] for key in ("properties", "patternProperties")}
    for part in (properties["set"], properties["vary"], properties["also"]["items"]):
        part |= {"type": "object", "additionalProperties": False}
    comment, title = scenario["$comment"], "Sweep of Tandem"
    return {"$schema": DRAFT, "$comment": comment, "title": title, **found, "$defs": sections}


def write_schema(out: Path, schema: Mapping[str, Any]) -> None:
    """Write a schema as JSON; an existing file is replaced only if it is a schema. Raises `InputError`."""
    check_file(out, "--out", lambda path: is_object_of(path, {"$schema", "$defs", "properties"}))
    with whole(out) as part:
        part.write_text(as_text(schema), encoding="utf-8")


def as_text(schema: Mapping[str, Any]) -> str:
    """A schema as JSON."""
    return json.dumps(schema, indent=1) + "\n"


def _section(about: Mapping[str, Any]) -> Schema:
    """A section of pydantic's schema for readers of files."""
    found = {key: value for key, value in about.items() if key not in ("title", "$defs", "description")}
    found["properties"] = {name: _field(field) for name, field in about["properties"].items()}
    return {"description": " ".join(about["description"].split()), **found}


def _field(about: Mapping[str, Any]) -> Schema:
    """A field: unit and usual range are part of what an editor shows, ends of a range bound its numbers."""
    left_out = {"title", "path", *([] if about.get("unit") else ["unit"])}
    section = "$ref" in about
    field = deepcopy(
        {k: v for k, v in about.items() if k not in left_out and not (section and k == "default")}
    )
    if "description" in field:
        field["description"] = described(about)
    ranges = [kind for kind in (field, *field.get("anyOf", ())) if "prefixItems" in kind]
    if ranges:
        ends = {key: field.pop(key) for key in ("minimum", "maximum")}
        ranges[0]["prefixItems"] = [{**item, **ends} for item in ranges[0]["prefixItems"]]
        ranges[0]["items"] = False
    kinds = {kind.get("format") for kind in field.get("anyOf", [field])}
    if kinds & FORMATS.keys():
        field.pop("anyOf", None)
        field.pop("format", None)
        field |= {"type": "string", "pattern": FORMATS["date-time" if "date-time" in kinds else "date"]}
    return field


def described(about: Mapping[str, Any]) -> str:
    """Meaning of a field, with its unit and usual range.

    >>> described({"description": "Power.", "unit": "kW", "usual": [0.5, 20.0]})
    'Power. Unit: kW; usually 0.5 to 20.'
    """
    unit, usual = about.get("unit", ""), about.get("usual")
    says = [f"Unit: {unit}"] if unit not in ("", "count", "share") else []
    says += [f"usually {written(usual[0])} to {written(usual[1])}"] if usual else []
    text = "; ".join(says)
    return f"{about['description']} {text[0].upper()}{text[1:]}." if text else str(about["description"])


def _with_names(properties: Mapping[str, Schema]) -> dict[str, Schema]:
    """Fields with the names that may be given: those built in, beside those of users."""
    names: dict[str, Schema] = {
        path: {"anyOf": [{"enum": list(known)}, {"type": "string"}]} for path, known in NAMED.items()
    }
    names["scheme"] = {"if": {"pattern": ":"}, "else": {"enum": list(NAMED["scheme"])}}
    return {name: {**field, **names.get(name, {})} for name, field in properties.items()}


def _requirements(section: Schema, known: Mapping[str, Schema]) -> Schema:
    """Take the required keys out of a section and of sections in it, but for entries of lists.

    They stand in the base where there is one. Returns the schema that demands them.
    """
    needed: Schema = {"required": section.pop("required")} if "required" in section else {}
    inner = {
        name: below
        for name, field in section["properties"].items()
        if "$ref" in field and (below := _requirements(_target(field, known), known))
    }
    return {**needed, "properties": inner} if inner else needed


def _target(field: Mapping[str, Any], known: Mapping[str, Schema]) -> Schema:
    return known[field["$ref"].rpartition("/")[2]]


def _by_path(
    properties: Mapping[str, Schema], known: Mapping[str, Schema], above: str, place: str
) -> Iterator[tuple[str, Schema]]:
    """Every field and section outside of lists by its path, as a reference to its schema."""
    for name, field in properties.items():
        if name == BASED_ON:
            continue
        yield f"{above}{name}", {"$ref": f"{place}/properties/{name}"}
        if "$ref" in field:
            below = _target(field, known)["properties"]
            yield from _by_path(below, known, f"{above}{name}.", field["$ref"])


def _inside_lists(properties: Mapping[str, Schema], known: Mapping[str, Schema]) -> str:
    """A pattern of paths into a list, a mapping, or a section that may be none."""
    fields = dict(_by_path(properties, known, "", "#"))
    below = []
    for path in fields:
        about: Any = {"properties": properties}
        for key in path.split("."):
            about = about["properties"][key]
            about = _target(about, known) if "$ref" in about else about
        kinds = about.get("anyOf", [about])
        if "properties" not in about and any("$ref" in k or k.get("type") in BELOW for k in kinds):
            below.append(re.escape(path))
    return rf"^({'|'.join(below)})\."
