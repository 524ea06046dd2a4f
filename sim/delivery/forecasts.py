"""Forecasts of loads and PV before delivery, and lead times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tandem_sim.agents.base.area import Area
from tandem_sim.agents.base.forecast import ForecastErrors, GivenForecast
from tandem_sim.agents.households.fleet import HouseholdFleet
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.clock.clock import Clock


class ForecastService:
    """Forecasts made at the present second of the clock."""

    def __init__(
        self,
        *,
        calendar: Calendar,
        clock: Clock,
        fleet: HouseholdFleet,
        load_mw: FloatArray,
        areas: Sequence[Area],
        errors: ForecastErrors,
        given: Mapping[str, GivenForecast],
    ) -> None:
        """`load_mw` (T, N) are the injections on transmission without unforeseen incidents.

        The areas of `given` have forecasts from files; those of the others have drawn `errors`.
        """
        self._calendar, self._clock, self._fleet = calendar, clock, fleet
        self.load_mw, self.errors, self.given = load_mw, errors, given
        self._areas = {area.name: area for area in areas}
        self._baseline_ahead: tuple[tuple[int, int], FloatArray] | None = None

    def lead_h(self, isp: int) -> float:
        """Hours from now to the start of an ISP."""
        return self.lead_s(isp) / 3600.0

    def lead_s(self, isp: int) -> float:
        """Seconds from now to the start of an ISP."""
        return float(self._calendar.seconds(isp) - self._clock.now())

    def transmission(self, day: range) -> FloatArray:
        """Net injection (MW) expected on transmission in each ISP of a day, without units."""
        if TSO in self.given:
            return self._given_mw(TSO, day)
        return np.asarray(self.load_mw[day.start : day.stop].sum(axis=1) + self._error(TSO, day))

    def distribution(self, area: Area, day: range) -> FloatArray:
        """Net injection (MW) expected of an area in each ISP of a day."""
        if area.name in self.given:
            return self._given_mw(area.name, day)
        site = self._site_base_kw(day.stop)[-len(day) :, area.sites].sum(axis=1) / 1000.0
        return np.asarray(
            site + area.besides_households_mw(slice(day.start, day.stop)) + self._error(area.name, day)
        )

    def error_mw(self, area: str, isp: int) -> float:
        """Error (MW, positive: too high) of the forecast made now for an area's injection in an ISP."""
        if (given := self.given.get(area)) is None:
            return self.errors.error_mw(area, isp, self.lead_h(isp))
        return given.at(isp, self._clock.now()) - self._expected_mw(area, isp)

    def _expected_mw(self, area: str, isp: int) -> float:
        """Net injection (MW) of an area in an ISP without activation and without error."""
        if area == TSO:
            return float(self.load_mw[isp].sum())
        place = self._areas[area]
        site = self._site_base_kw(isp + 1)[-1, place.sites].sum() / 1000.0
        return float(site + place.besides_households_mw(slice(isp, isp + 1))[0])

    def share_error(self, area: Area, isp: int) -> float:
        """The same as a share of the area's nominal load; 0 where it has none."""
        return self.error_mw(area.name, isp) / area.nominal_mw if area.nominal_mw else 0.0

    def _given_mw(self, area: str, day: range) -> FloatArray:
        """Net injection (MW) of an area in each ISP of a day by its latest forecast."""
        return np.array([self.given[area].at(isp, self._clock.now()) for isp in day])

    def _error(self, area: str, day: range) -> FloatArray:
        return np.array([self.error_mw(area, isp) for isp in day])

    def _site_base_kw(self, stop: int) -> FloatArray:
        """Baselines of sites from the next ISP on, (n, n_sites) kW; computed once for all callers."""
        key = (self._fleet.next_isp, stop)
        if self._baseline_ahead is None or self._baseline_ahead[0] != key:
            self._baseline_ahead = (key, self._fleet.baseline_ahead(key[0], stop - key[0]).site_base_kw)
        return self._baseline_ahead[1]
