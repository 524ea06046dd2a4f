"""Timetable: the closures of every gate, and what they are about.

Most gates close at a lead time before each ISP. Market days run from 0:00 to 24:00. A local market day of
capacity may start at another hour: in the Flemish pilot at 16:00, so that capacity for 0:00 to 15:59 of a day
is bought eight days ahead, for the rest seven.
Source: ALEXANDER D3.3, 3.3.3 and figure 3-6.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from tandem_sim.agents.services.capacity import Needs
from tandem_sim.markets.orders.bids import DOWN, UP
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.scenario.market_sections import CapacitySettings
from tandem_sim.sim.scenario.scenario import Scenario

DAY_AHEAD_CLEARS_S = 3600
"""Seconds between the day-ahead gate and its clearing."""
DAY_S = 86_400
REGISTER_S = 3600
"""Seconds before the first auction, for the qualification of groups."""
TENDER_S = 3600
"""Seconds from the call for bids to the auction."""
NOON = 12
NOMINATION = pd.Timedelta(hours=14, minutes=45)
NOMINATE_S = 900
"""Seconds from the sending of nominations to the gate at which they must have arrived."""
Moments = list[tuple[int, list[range]]]
"""(second of an auction, blocks of ISPs it is for), in order."""
Closures = list[tuple[int, Any]]
"""(second, what it is about) of a gate, in order: an ISP, the ISPs of a day, or blocks of ISPs."""


@dataclass(frozen=True)
class Timetable:
    """When the gates of a scenario close; seconds since its start, negative before the first ISP."""

    scenario: Scenario
    calendar: Calendar

    @cached_property
    def begin(self) -> int:
        """Second of the first gate."""
        first = self.calendar.days()[0][0]
        if not self.scenario.capacity.enabled:
            return first
        auctions = [self.closures("tender")]
        if self.scenario.capacity.local.needs:
            auctions.append(self.closures("tender_local"))
        return min(first, *(moments[0][0] for moments in auctions)) - REGISTER_S

    def closures(self, gate: str, events: Iterable[int] = ()) -> Closures:
        """The closures of a gate. `events` are the seconds at which studies have something to process."""
        calendar, capacity = self.calendar, self.scenario.capacity
        match gate:
            case "study":
                return self._studies(events)
            case "connection":
                return self._connection()
            case "tender":
                return [*tenders(tso_auctions(calendar, capacity))]
            case "clear_capacity":
                return [*tso_auctions(calendar, capacity)]
            case "tender_local":
                return [*tenders(local_auctions(calendar, capacity))]
            case "clear_local":
                return [*local_auctions(calendar, capacity)]
            case "schedules":
                return [*calendar.days()]
            case "day_ahead":
                return [(second + DAY_AHEAD_CLEARS_S, day) for second, day in calendar.days()]
            case "nominate":
                return [(second - NOMINATE_S, day) for second, day in nominations(calendar)]
            case "close_nominations":
                return [*nominations(calendar)]
            case "deliver":
                return [(calendar.seconds(isp), isp) for isp in range(calendar.n_isp)]
            case "settle":
                return [(calendar.seconds(isp) + calendar.isp_seconds, isp) for isp in range(calendar.n_isp)]
        return self._before_delivery(gate)

    def _before_delivery(self, gate: str) -> Closures:
        """Closures at the lead times of a gate before every ISP."""
        leads, n = self.scenario.gates.rounds_s(self.scenario.mol_rounds)[gate], self.calendar.n_isp
        return sorted((self.calendar.seconds(isp) - lead, isp) for isp in range(n) for lead in leads)

    def _studies(self, events: Iterable[int]) -> Closures:
        """Events of studies, with the ISP at that time; those before the run are processed at its start."""
        end, isp_s = self.calendar.seconds(self.calendar.n_isp), self.calendar.isp_seconds
        seconds = {self.begin} | {second for second in events if second > self.begin}
        return [(second, max(second, 0) // isp_s) for second in sorted(seconds) if second < end]

    def _connection(self) -> Closures:
        """Once a day, from the first gate on: capacity may be bought long before the first day."""
        days = self.calendar.days()
        before = range(self.begin, days[0][0], DAY_S)
        moments = [
            *((second, days[0][1]) for second in before),
            *(day for day in days if day[0] > self.begin),
        ]
        if not before:
            moments.insert(0, (self.begin, days[0][1]))
        return [*moments]


@dataclass(frozen=True)
class CapacityNeeds:
    """Capacity needs of operators, MW by service and direction."""

    settings: CapacitySettings
    local_hour: Mapping[int, int]  # ISP -> local hour

    @property
    def of_tso(self) -> Needs:
        """The TSO's need, the same for every block."""
        c = self.settings
        return {
            "aFRR": {UP: c.afrr_up_mw, DOWN: c.afrr_down_mw},
            "mFRR": {UP: c.mfrr_up_mw, DOWN: c.mfrr_down_mw},
        }

    def of_dso(self, area: str, block: range) -> Needs:
        """A DSO's need for a block: the largest of its hours."""
        hours = {self.local_hour[isp] for isp in block}
        need = {UP: 0.0, DOWN: 0.0}
        for n in self.settings.local.needs:
            if n.area == area and any(n.from_hour <= h < n.to_hour for h in hours):
                direction = UP if n.direction == "up" else DOWN
                need[direction] = max(need[direction], n.mw)
        return {"LFM": need}


def local_hours(calendar: Calendar) -> dict[int, int]:
    """Local hour of every ISP."""
    local = calendar.times().tz_convert(calendar.zone)
    return dict(enumerate(local.hour.tolist()))


def blocks_of(isps: range, hours: Mapping[int, int], block_hours: int) -> list[range]:
    """ISPs split at local multiples of `block_hours`; a block is shorter or longer on clock change days."""
    cuts = [k for k in isps if k == isps.start or hours[k] // block_hours != hours[k - 1] // block_hours]
    return [range(a, b) for a, b in zip(cuts, [*cuts[1:], isps.stop], strict=True)]


def tso_auctions(calendar: Calendar, settings: CapacitySettings) -> Moments:
    """The TSO's auctions, each on the day before."""
    hours = local_hours(calendar)
    return [
        (
            _second(calendar, isps.start, 1, pd.Timedelta(hours=settings.hour)),
            blocks_of(isps, hours, settings.block_hours),
        )
        for _, isps in calendar.days()
    ]


def local_auctions(calendar: Calendar, settings: CapacitySettings) -> Moments:
    """Local auctions: at noon, `days_ahead` before the start date of the local market day."""
    hours, local = local_hours(calendar), settings.local
    times = calendar.times().tz_convert(calendar.zone)
    started = [
        t.date() if t.hour >= local.day_starts else (t - pd.Timedelta(days=1)).date()
        for t in times.tz_localize(None)
    ]
    found: Moments = []
    for day, rows in pd.Series(range(len(started))).groupby(pd.Series(started)):
        isps = range(int(rows.iloc[0]), int(rows.iloc[-1]) + 1)
        moment = pd.Timestamp(str(day)) - pd.Timedelta(days=local.days_ahead) + pd.Timedelta(hours=NOON)
        found.append((_at(calendar, moment), blocks_of(isps, hours, settings.block_hours)))
    return found


def nominations(calendar: Calendar) -> list[tuple[int, range]]:
    """Gate closures for nominations at D-1 14:45, with the ISPs of day D."""
    return [(_second(calendar, isps.start, 1, NOMINATION), isps) for _, isps in calendar.days()]


def tenders(auctions: Moments) -> Moments:
    """Calls for bids, an hour before their auctions."""
    return [(second - TENDER_S, blocks) for second, blocks in auctions]


def _second(calendar: Calendar, isp: int, days_before: int, clock: pd.Timedelta) -> int:
    local = calendar.time(calendar.seconds(isp)).tz_convert(calendar.zone).tz_localize(None).normalize()
    return _at(calendar, local - pd.Timedelta(days=days_before) + clock)


def _at(calendar: Calendar, local: pd.Timestamp) -> int:
    """Seconds from the start of the horizon to a local time; negative before it."""
    return int((calendar.utc(local) - calendar.start).total_seconds())
