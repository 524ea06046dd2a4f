"""Times given as text, and the ISPs that contain them."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from tandem_sim.grids.documents.text import one_line
from tandem_sim.grids.errors import InputError
from tandem_sim.sim.clock.calendar import Calendar


def isp_at(moment: str, calendar: Calendar, option: str) -> int:
    """The ISP that contains a time, given in local time or with an offset from UTC.

    Raises an `InputError` that names the `option`.
    """
    try:
        time = pd.Timestamp(datetime.fromisoformat(moment))
        if time.tzinfo is None:
            local = pd.DatetimeIndex([time]).tz_localize(calendar.zone, ambiguous="NaT", nonexistent="NaT")
            if local.hasnans:
                raise ValueError("that local time is skipped, or comes twice, as clocks change")
            time = local[0]
        return calendar.isp_of(time)
    except ValueError as error:
        first = calendar.start.tz_convert(calendar.zone)
        full = first.isoformat(timespec="minutes")
        hint = f"Give a moment of the horizon, such as {first:%Y-%m-%dT%H:%M} or {full}"
        raise InputError(option, moment, f"names no ISP ({one_line(error)})", hint) from error
