"""Public holidays of a country or a part of one, as the package `holidays` lists them.

A code is a country by ISO 3166 (BE), with a part as the package names it (DE-NW), or `ZONE` for the country
of the scenario's time zone, or `NONE`.
"""

from __future__ import annotations

from datetime import date
from importlib.resources import files

import holidays

from tandem_sim.grids.documents.text import hint

ZONE, NONE = "zone", "none"


def country_of(zone: str) -> str | None:
    """ISO 3166 code of the country of a time zone by tzdata's `zone.tab`; None for zones it does not list."""
    for line in files("tzdata.zoneinfo").joinpath("zone.tab").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            country, _, name = line.split("\t")[:3]
            if name == zone:
                return country
    return None


def check_code(code: str) -> str:
    """The code itself. Raises `ValueError` where it names no country, or no part of the one it names."""
    if code in (ZONE, NONE):
        return code
    country, dash, part = code.partition("-")
    known = holidays.list_supported_countries(include_aliases=False)
    if country not in known:
        raise ValueError(
            f"{code} is not {ZONE}, {NONE} or a country by its two letters of ISO 3166, such as BE; "
            "a part of one is, say, DE-NW"
        )
    if dash and part not in known[country]:
        parts = hint(part, known[country]) if known[country] else f"Use {country}, which has none"
        raise ValueError(f"{code}: {part} is no part of {country} with holidays of its own. {parts}")
    return code


def public_holidays(code: str, zone: str, first: date, last: date) -> frozenset[date]:
    """Public holidays from the year of `first` to that of `last`, where a code stands for a place."""
    place = country_of(zone) if code == ZONE else code
    if place is None or place == NONE:
        return frozenset()
    country, _, part = place.partition("-")
    years = range(first.year, last.year + 1)
    return frozenset(holidays.country_holidays(country, subdiv=part or None, years=years))
