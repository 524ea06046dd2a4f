"""When things happen: gates before an ISP, and gates of the day before, as a run sets them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from tandem_sim.markets.coordination.gates import ABOUT_GATES, GATES
from tandem_sim.markets.schemes import SCHEMES
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.scenario.market_sections import CapacitySettings
from tandem_sim.sim.scenario.sections import GateSettings
from tandem_sim.sim.timetable import (
    DAY_AHEAD_CLEARS_S,
    NOMINATE_S,
    local_auctions,
    nominations,
    tenders,
    tso_auctions,
)

When = Literal["every run", "by scheme", "option"]
WHENS: tuple[When, ...] = ("every run", "by scheme", "option")
LANES = ("sellers", "DSO", "TSO", "others")
ACTORS: Mapping[str, tuple[str, ...]] = {
    "study": ("DSO",),
    "connection": ("sellers", "DSO", "TSO"),
    "tender_local": ("DSO",),
    "clear_local": ("DSO",),
    "tender": ("TSO",),
    "clear_capacity": ("TSO",),
    "schedules": ("sellers", "others"),
    "day_ahead": ("others",),
    "nominate": ("sellers",),
    "close_nominations": ("TSO",),
    "limit_ahead": ("DSO",),
    "offer": ("sellers",),
    "dso_close": ("DSO",),
    "dso_clear": ("DSO",),
    "amend": ("sellers",),
    "forward": ("DSO",),
    "prequalify": ("DSO",),
    "tso_close": ("TSO",),
    "mol": ("TSO",),
    "mol_validate": ("DSO",),
    "tso_clear": ("TSO",),
    "correct": ("DSO",),
    "limit": ("DSO",),
    "trade": ("DSO", "others"),
    "assess": ("sellers",),
    "report": ("sellers",),
    "substitute": ("TSO",),
    "declare": ("sellers",),
    "deliver": ("sellers", "others"),
    "settle": ("TSO",),
}
"""Who acts at a gate. Others: BRPs, day-ahead market, households."""
EVERY_RUN = frozenset({"schedules", "day_ahead", "offer", "tso_close", "tso_clear", "deliver", "settle"})
"""Gates at which something happens under every scheme, without options."""


@dataclass(frozen=True)
class Gate:
    """A gate: minutes before the ISP (negative: after its start) or a local time, what happens, who acts."""

    name: str
    time: str
    about: str
    actors: tuple[str, ...]
    when: When
    lead_min: float = 0.0


def when_of(gate: str) -> When:
    """Whether something happens at a gate in every run, only under some schemes, or only with an option."""
    if gate in EVERY_RUN:
        return "every run"
    by_scheme = {block.gate for scheme in SCHEMES.values() for block in scheme.blocks} | {"dso_close"}
    return "by scheme" if gate in by_scheme else "option"


def gates_of_isp(isp_minutes: int = 15) -> list[Gate]:
    """Gates of one ISP from the first lead time to settlement, with the default lead times."""
    leads = GateSettings().minutes()
    ends = {"deliver": 0.0, "settle": -float(isp_minutes)}
    return [
        Gate(name, time_of(lead), _about(name), ACTORS[name], when_of(name), lead)
        for name, lead in (leads | ends).items()
    ]


def gates_of_days(isp_minutes: int = 15) -> list[Gate]:
    """Gates of the days before delivery, with the default settings, in the order of time."""
    day = Calendar.of_days("2016-04-18", 1, isp_minutes, "Europe/Brussels")
    capacity = CapacitySettings()
    ((second, _),) = day.days()
    found = {
        "tender": [moment for moment, _ in tenders(tso_auctions(day, capacity))],
        "clear_capacity": [moment for moment, _ in tso_auctions(day, capacity)],
        "connection": [second],
        "schedules": [second],
        "day_ahead": [second + DAY_AHEAD_CLEARS_S],
        "nominate": [nominations(day)[0][0] - NOMINATE_S],
        "close_nominations": [nominations(day)[0][0]],
        "tender_local": [moment for moment, _ in tenders(local_auctions(day, capacity))],
        "clear_local": [moment for moment, _ in local_auctions(day, capacity)],
    }
    order = sorted(found, key=lambda name: (found[name], GATES.index(name)))
    return [Gate(name, _local(day, found[name]), _about(name), ACTORS[name], when_of(name)) for name in order]


def time_of(lead_min: float) -> str:
    """A lead time as text: T-12.5 min, T, T+15 min."""
    if lead_min == 0.0:
        return "T"
    return f"T{-lead_min:+g} min"


def _local(day: Calendar, seconds: list[int]) -> str:
    """Moments at one local time, on one day or several: D-8, D-7, 12:00."""
    midnight = day.start.tz_convert(day.zone).tz_localize(None)
    local = [day.time(second).tz_convert(day.zone).tz_localize(None) for second in sorted(seconds)]
    (clock,) = {f"{time.hour}:{time.minute:02d}" for time in local}
    days = [f"D-{(midnight - time.normalize()) // pd.Timedelta(days=1)}" for time in local]
    return ", ".join([*dict.fromkeys(days), clock])


def _about(name: str) -> str:
    return ABOUT_GATES[name].rstrip(".")
