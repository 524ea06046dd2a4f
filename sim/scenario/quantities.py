"""Fields of a scenario: meaning, unit, the range that is accepted and the range that is usual, in one place.

Each field is made by one of the functions here. Their arguments go to pydantic's JSON schema:
``description``, ``minimum`` and ``maximum`` (both included), ``unit``, ``usual`` (two numbers) and ``path``
(of text that names a file). Types are strict: no ``true`` and no "5" for a number, no ``3.0`` for a count, no
NaN, no infinity. A value outside the usual range is accepted and reported (`Scenario.unusual`).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo
from pydantic.fields import FieldInfo

MOST_EUR_PER_MWH = 99_999.0
"""Largest price in size: technical price limit of European balancing energy (ACER Decision 01/2020)."""
MOST_MW = 100_000.0
"""Largest power; most European systems consume less."""
MOST_ENTRIES = 1000
"""Most entries of a list whose entries become agents, or are processed in every ISP."""
LONGEST_PATH = 4000
"""Most characters of a path."""
Limits = tuple[float, float]


class Section(BaseModel):
    """Base of every section: frozen, an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


FINISHED = {"finished": True}
"""Context of validation for the scenario of a finished run: code that it names need not be there any more."""


def is_finished(info: ValidationInfo) -> bool:
    """Whether the scenario of a finished run is read."""
    return info.context == FINISHED


def about(meaning: str, default: Any = ..., *, unit: str = "", **limits: Any) -> Any:
    """A field that is no number: a name, a time, a section."""
    return Field(default=default, description=meaning, json_schema_extra={"unit": unit}, **limits)


def text(meaning: str, default: Any = ..., *, most: int = 200, least: int = 1) -> Any:
    """Text of `least` to `most` characters."""
    return about(meaning, default, min_length=least, max_length=most, strict=True)


def file_path(meaning: str, default: Any = ...) -> Any:
    """Path of a file, relative to the scenario; of a scenario that others are based on, to its own file."""
    return _named(meaning, default, True)


def grid_name(meaning: str, default: Any = ...) -> Any:
    """A grid: the path of a file, as of `file_path`, or the name of a published grid."""
    return _named(meaning, default, "grid")


def series_name(meaning: str, default: Any = ...) -> Any:
    """A file of series: a path, as of `file_path`, or the name of a bundled one."""
    return _named(meaning, default, "series")


def _named(meaning: str, default: Any, path: Any) -> Any:
    extra = {"unit": "", "path": path}
    return Field(
        default=default,
        description=meaning,
        json_schema_extra=extra,
        min_length=1,
        max_length=LONGEST_PATH,
        strict=True,
    )


def flag(meaning: str, default: Any = ...) -> Any:
    """True or false, and no other value (1, "yes")."""
    return about(meaning, default, strict=True)


def several(meaning: str, most: int, default: Any = ..., *, least: int = 0, unit: str = "") -> Any:
    """A list or mapping of `least` to `most` entries."""
    return about(meaning, default, unit=unit, min_length=least, max_length=most)


def number(
    meaning: str, unit: str, hard: Limits, default: Any = ..., *, usual: Limits | None = None, **more: Any
) -> Any:
    """A finite number within `hard`, both ends included, and as a rule within `usual`."""
    return Field(
        default=default,
        description=meaning,
        json_schema_extra=_extra(unit, usual),
        ge=hard[0],
        le=hard[1],
        strict=True,
        allow_inf_nan=False,
        **more,
    )


def count(
    meaning: str,
    hard: tuple[int, int],
    default: Any = ...,
    *,
    unit: str = "count",
    usual: Limits | None = None,
) -> Any:
    """A whole number within `hard`, both ends included, and as a rule within `usual`."""
    return Field(
        default=default,
        description=meaning,
        json_schema_extra=_extra(unit, usual),
        ge=hard[0],
        le=hard[1],
        strict=True,
    )


def share(meaning: str, default: Any = ..., *, most: float = 1.0, usual: Limits | None = None) -> Any:
    """A share from 0 to `most`."""
    return number(meaning, "share", (0.0, most), default, usual=usual)


def price(meaning: str, default: Any = ..., *, usual: Limits = (-500.0, 1000.0)) -> Any:
    """A price of energy, EUR/MWh, of either sign."""
    return number(meaning, "EUR/MWh", (-MOST_EUR_PER_MWH, MOST_EUR_PER_MWH), default, usual=usual)


def cost(meaning: str, default: Any = ..., *, unit: str = "EUR/MWh", usual: Limits = (0.0, 1000.0)) -> Any:
    """A price or cost that is not negative."""
    return number(meaning, unit, (0.0, MOST_EUR_PER_MWH), default, usual=usual)


def span(meaning: str, unit: str, hard: Limits, default: Limits, *, usual: Limits | None = None) -> Any:
    """A range [low, high] whose ends lie within `hard`: its type is `Span`; `check_span` checks it."""
    extra = {**_extra(unit, usual), "minimum": hard[0], "maximum": hard[1]}
    return Field(default=default, description=meaning, json_schema_extra=extra)


def check_span(value: Limits, field: FieldInfo) -> None:
    """Raise ValueError for a range whose ends are out of order or outside what its field accepts."""
    limits, (low, high) = extras(field), value
    if low > high:
        raise ValueError(f"must be a range [low, high] with low <= high, not [{low:g}, {high:g}]")
    if low < limits["minimum"] or high > limits["maximum"]:
        within = f"{limits['minimum']:g} to {limits['maximum']:g} {limits['unit']}".rstrip()
        raise ValueError(f"must lie within {within}, not [{low:g}, {high:g}]")


def extras(field: FieldInfo) -> dict[str, Any]:
    """Properties of a field besides type and description: ``unit``; ``usual`` and ``path`` if it has them."""
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def _extra(unit: str, usual: Limits | None) -> dict[str, Any]:
    return {"unit": unit} if usual is None else {"unit": unit, "usual": list(usual)}


def _two(value: Any) -> Any:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError("must be a range [low, high] of two numbers")
    return tuple(value)


def _moment(value: Any) -> Any:
    if not isinstance(value, str | datetime):
        raise ValueError("is no date and time, such as 2016-04-18T06:00")
    return value


def _day(value: Any) -> Any:
    if not isinstance(value, str | date):
        raise ValueError("is no date, such as 2016-04-18")
    return value


def within_calendar(value: Any) -> Any:
    """A date or time between 1900 and 2199. Raises ValueError for another one."""
    if not 1900 <= value.year < 2200:
        raise ValueError("must lie between 1900 and 2199")
    return value


_Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Span = Annotated[tuple[_Finite, _Finite], BeforeValidator(_two)]
"""A range (low, high) of finite numbers."""
Word = Annotated[str, Field(min_length=1, max_length=200, strict=True)]
"""A name in a list."""
BusIndex = Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)]
Hour = Annotated[int, Field(ge=0, le=24, strict=True)]
Moment = Annotated[datetime, BeforeValidator(_moment), AfterValidator(within_calendar)]
"""A date and time; no number of seconds since 1970, which pydantic would accept."""
Day = Annotated[date, BeforeValidator(_day), AfterValidator(within_calendar)]
"""A date, and not a number."""
