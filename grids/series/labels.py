"""Local labels of a file turned into UTC: clock changes by a stated rule, or refused."""

from __future__ import annotations

from collections import Counter
from difflib import get_close_matches
from zoneinfo import available_timezones

import numpy as np
import pandas as pd

from tandem_sim.grids.documents.text import shown
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.types import BoolArray, IntArray

STANDARD = "If the file keeps standard time all year, give its zone without clock changes, such as Etc/GMT-1"


def checked_zone(zone: str, source: str, field: str = "zone") -> str:
    """A zone of the IANA list that pandas knows too. Raises `InputError` for another name."""
    zones = available_timezones()
    if zone not in zones or not _is_usable(zone):
        near = [name for name in get_close_matches(zone[:100], sorted(zones - {zone})) if _is_usable(name)]
        advice = (
            f"Did you mean {' or '.join(near)}?"
            if near
            else "Give a name of the IANA list, such as Europe/Brussels"
        )
        raise InputError(source, field, f"{shown(zone)} is no time zone", advice)
    return zone


def _is_usable(zone: str) -> bool:
    """Whether pandas knows a zone. ``Factory`` of the IANA list stands for no zone at all."""
    try:
        pd.Timestamp(0, tz=zone)
    except (KeyError, ValueError):
        return False
    return zone != "Factory"


def in_utc(
    labels: pd.DatetimeIndex, zone: str, lines: IntArray, source: str, field: str, ordered: bool = True
) -> pd.DatetimeIndex:
    """UTC times (T,) of labels (T,) without zone, which are wall-clock time in `zone`.

    In autumn an hour occurs twice: of two equal labels the first is before the clock change. `lines` (T,) are
    the line numbers that messages name, `field` is the column. Raises `InputError` for a label that clocks
    skip in spring, and for one of autumn that is there once only, because then it is unknown which of the
    two is missing; the two hours have to follow one another. With rows that are not `ordered` by time, every
    label of that hour is refused.
    """
    checked_zone(zone, source)
    first = labels.tz_localize(zone, ambiguous=np.ones(len(labels), dtype=bool), nonexistent="NaT")
    skipped: BoolArray = np.asarray(first.isna())
    if skipped.any():
        k = int(np.argmax(skipped))
        raise InputError(
            source,
            f"line {lines[k]}, {field}",
            f"{labels[k]} does not exist in {zone}: clocks skip it",
            STANDARD,
        )
    second = labels.tz_localize(zone, ambiguous=np.zeros(len(labels), dtype=bool))
    twice = np.asarray(first != second)
    if twice.any() and not ordered:
        k = int(np.argmax(twice))
        raise InputError(
            source,
            f"line {lines[k]}, {field}",
            f"{labels[k]} occurs twice in {zone}, because clocks go back",
            "Write times with their offset from UTC, or in UTC",
        )
    again = np.asarray(labels.duplicated(keep="first")) & twice
    _check_both(labels, twice, again, zone=zone, lines=lines, source=source, field=field)
    _check_apart(labels, twice, again, zone=zone, lines=lines, source=source, field=field)
    return pd.DatetimeIndex(first.where(~again, second)).tz_convert("UTC")


def _check_both(
    labels: pd.DatetimeIndex,
    twice: BoolArray,
    again: BoolArray,
    *,
    zone: str,
    lines: IntArray,
    source: str,
    field: str,
) -> None:
    """Raise `InputError` unless every label of the repeated hour is there twice."""
    counts = Counter(labels[twice])
    for k in np.flatnonzero(twice & ~again).tolist():
        label = labels[k]
        if counts[label] != 2:
            times = "once" if counts[label] == 1 else f"{counts[label]} times"
            raise InputError(
                source,
                f"line {lines[k]}, {field}",
                f"{label} occurs {times}; clocks of {zone} go back in that hour, so it has to occur twice",
                STANDARD if counts[label] == 1 else "Keep each row once: rows may be in the file twice",
            )


def _check_apart(
    labels: pd.DatetimeIndex,
    twice: BoolArray,
    again: BoolArray,
    *,
    zone: str,
    lines: IntArray,
    source: str,
    field: str,
) -> None:
    """Raise `InputError` if the repeated hour goes on after rows of its second time have begun."""
    near = np.abs(np.diff(labels.to_numpy())) < np.timedelta64(1, "D")
    mixed = near & twice[:-1] & twice[1:] & again[:-1] & ~again[1:]
    if mixed.any():
        k = int(np.argmax(mixed)) + 1
        raise InputError(
            source,
            f"line {lines[k]}, {field}",
            f"{labels[k]} is of the first of two hours, after a row of the second; clocks of {zone} go back "
            "there, and the two hours have to follow one another",
            "Sort the rows by time: the whole hour, then the whole hour again",
        )
