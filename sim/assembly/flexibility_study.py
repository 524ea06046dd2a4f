"""From a scenario to the network flexibility study of each area: applications, events, worst case."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

import numpy as np
import pandas as pd

from tandem_sim.agents.base.area import Area
from tandem_sim.agents.devices.population import COLUMNS
from tandem_sim.agents.devices.study_view import EXEMPT, StudyTerms
from tandem_sim.agents.households.fleet import HouseholdFleet
from tandem_sim.agents.portfolios.households import unit_name
from tandem_sim.agents.services.flexibility_study import Emergency, Review, StudyTimeline
from tandem_sim.grids.power_flow.constraints import GridConstraints
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.grid_checks.flexibility_study import worst_cases
from tandem_sim.markets.grid_checks.study_register import APPLICANTS, STUDY_S, Application, StudyRegister
from tandem_sim.markets.orders.bids import DOWN, UP
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.scenario.scenario import Scenario


def study_terms(scenario: Scenario, rows: FloatArray) -> StudyTerms | None:
    """How the study of a scenario groups devices; None without a study.

    `rows` (H, ROW) are the numbers of the households (see `draw`).
    """
    if not scenario.studies:
        return None
    study = scenario.flexibility_register.study
    ends = np.cumsum([n.share for n in study.by_date])
    place = np.searchsorted(ends, rows[:, COLUMNS["newcomer"]], side="right")  # beyond the last: no newcomer
    cohort = np.where(place < len(ends), place + 1, 0).astype(np.int64)
    return StudyTerms(study.region, cohort)


def build_study(
    scenario: Scenario, calendar: Calendar, area: Area, fleet: HouseholdFleet, begin_s: int
) -> tuple[StudyRegister, StudyTimeline]:
    """The study of one area without units, and the timeline of its events.

    The worst case is peak nominal load and all PV at its rated power, independent of the simulated days.
    Households that are no newcomers applied 30 days before the earliest event: the first gate of the run
    (`begin_s`), the application of a newcomer, or a review. Raises `InputError` for an unknown bus.
    """
    study = scenario.flexibility_register.study
    rated_mw = {d: kw / 1000.0 for d, kw in fleet.rated_kw().items()}
    reviews, load, generation = [], 1.0, 1.0
    for given in sorted((r for r in study.reviews if r.area == area.name), key=lambda r: r.on):
        load, generation = max(load, given.load_factor), max(generation, given.generation_factor)
        worst = _worst(area, fleet, rated_mw, load, generation)
        reviews.append(Review(_second(calendar, given.on), worst))
    emergencies = []
    for k, e in enumerate(study.emergencies):
        if e.area == area.name:
            field = f"flexibility_register.study.emergencies.{k}.buses"
            nodes = tuple(area.network.nodes_of(np.array(e.buses), field, "scenario").tolist())
            emergencies.append(
                Emergency(nodes, _second(calendar, e.start), _second(calendar, e.end), e.cause)
            )
    applied = [_second(calendar, n.applied) for n in study.by_date]
    earliest = min([begin_s, *applied, *(r.at_s for r in reviews)]) - STUDY_S
    applications = _applications(scenario, calendar, area, fleet, rated_mw, [earliest, *applied])
    register = StudyRegister(study.region, _worst(area, fleet, rated_mw))
    return register, StudyTimeline(applications, reviews, emergencies)


def _worst(
    area: Area,
    fleet: HouseholdFleet,
    rated_mw: Mapping[int, FloatArray],
    load_factor: float = 1.0,
    generation_factor: float = 1.0,
) -> dict[int, GridConstraints]:
    """The worst case for each direction, with factors on peak load and generation.

    Injections that follow a profile stand at the highest of their whole series for up, the lowest for down.
    """
    peak = area.share * area.nominal_mw
    highest, lowest = area.passive.extremes(area.network.n_nodes)
    pv = _at_nodes(area, fleet, rated_mw[DOWN] - rated_mw[UP])  # PV alone can only go down
    generation, high = generation_factor * pv + highest[0], load_factor * peak
    fixed_up, fixed_down = area.fixed_mvar + highest[1], area.fixed_mvar + lowest[1]
    return {
        UP: worst_cases(area.lin, peak, generation, area.tan_phi * peak, fixed_up)[UP],
        DOWN: worst_cases(area.lin, high + lowest[0], pv, area.tan_phi * high, fixed_down)[DOWN],
    }


def _at_nodes(area: Area, fleet: HouseholdFleet, by_group: FloatArray) -> FloatArray:
    """Values of the groups of all areas, (G,), summed by node (N,) of this area."""
    return area.at_nodes(
        np.bincount(fleet.groups.site, weights=by_group, minlength=fleet.n_sites).astype(np.float64)
    )


def _applications(
    scenario: Scenario,
    calendar: Calendar,
    area: Area,
    fleet: HouseholdFleet,
    rated_mw: Mapping[int, FloatArray],
    applied_at_s: list[int],
) -> list[Application]:
    """One application per device group of an area; `applied_at_s` by cohort, 0 being no newcomers."""
    study, groups, devices = scenario.flexibility_register.study, fleet.groups, fleet.layout.studied
    order = np.argsort(devices.group, kind="stable")
    cuts = np.searchsorted(devices.group[order], np.arange(1, len(groups)))
    of_group = np.split(order, cuts)
    ends = {pool: _second(calendar, day) for pool, day in study.contracts.items()}
    found = []
    inside = (groups.site >= area.sites.start) & (groups.site < area.sites.stop)
    for k in np.flatnonzero(inside).tolist():
        pool, site = scenario.pools[groups.aggregator[k]], int(groups.site[k]) - area.sites.start
        status = int(groups.status[k])
        cohort = 0 if status <= EXEMPT else status - EXEMPT
        found.append(
            Application(
                unit=unit_name(pool, area, site, int(groups.device[k]), status),
                node=int(area.site_node[site]),
                up_mw=float(rated_mw[UP][k]),
                down_mw=float(rated_mw[DOWN][k]),
                kva=devices.kva[of_group[k]],
                phases=devices.phases[of_group[k]],
                by=APPLICANTS[study.region],
                applied_s=applied_at_s[cohort],
                contract_until_s=ends.get(pool),
            )
        )
    return found


def _second(calendar: Calendar, local: date | datetime) -> int:
    """Seconds from the start of the horizon to a local time; a date means its beginning."""
    return int((calendar.utc(pd.Timestamp(local)) - calendar.start).total_seconds())
