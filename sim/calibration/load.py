"""Energy, peak and lowest net load of every grid without activation.

A short horizon is simulated as a whole. Of a long one the energies come from the profiles, and only some days
are simulated: those on which net load by the profiles, without EVs and batteries, is highest or lowest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tandem_sim.agents.devices.classes.registry import CLASSES
from tandem_sim.agents.devices.device import DEMAND, GENERATION, STORAGE
from tandem_sim.agents.households.fleet import SitesAhead
from tandem_sim.agents.households.layout import Layout
from tandem_sim.grids.errors import present
from tandem_sim.grids.types import FloatArray, IntArray
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.sim.calibration.profile_sums import profile_sums
from tandem_sim.sim.model import FlexibilityModel

MOST_STEPS = 1.5e8
"""Most steps that are simulated: ISPs times devices (PV groups, batteries, EVs, heat pumps). Some seconds."""
ISP_STEPS = 10_000
"""Steps of an ISP that do not depend on the number of devices."""
BURN_IN = 3
"""Days that are simulated before a day, so that batteries and EVs are as they would be."""


@dataclass(frozen=True)
class Extreme:
    """The highest or lowest net load (MW) of a grid among the ISPs simulated, and the households then."""

    isp: int
    net_mw: float
    sites: SitesAhead


@dataclass(frozen=True, kw_only=True)
class GridLoad:
    """Load of one grid without activation and without losses; that of transmission includes all areas.

    MWh of the horizon. `device_mwh`: by class of device, consumption less generation, but PV generation
    positive; nan where it is not known, as of batteries.
    `generation_mwh` is that of injections that follow a profile; their consumption is part of `other_mwh`.
    Net load is consumption less generation, MW.
    """

    name: str
    nominal_mw: float
    other_mwh: float
    generation_mwh: float
    inflexible_mwh: float
    device_mwh: Mapping[str, float]
    peak: Extreme
    low: Extreme

    @property
    def households_mwh(self) -> float:
        """Consumption of households, that of batteries left out."""
        return self.inflexible_mwh + self._sum(DEMAND)

    @property
    def net_mwh(self) -> float:
        """Net load; without batteries where their energy is not known."""
        devices = self._sum(STORAGE) - self._sum(GENERATION)
        return self.other_mwh + self.households_mwh + devices - self.generation_mwh

    def _sum(self, part: int) -> float:
        """Known energy of the classes of a part of households."""
        known = (self.device_mwh[of.name] for of in CLASSES if of.part == part)
        return sum(mwh for mwh in known if not np.isnan(mwh))

    @property
    def household_share(self) -> float:
        """Share of households in consumption; nan without any."""
        whole = self.other_mwh + self.households_mwh
        return self.households_mwh / whole if whole else float("nan")


@dataclass(frozen=True)
class Load:
    """Load of all grids, transmission last; `days`: number of days simulated, None for all."""

    grids: tuple[GridLoad, ...]
    days: int | None


@dataclass
class _Sums:
    """Sums over ISPs by area, and extremes by grid; the last grid is transmission."""

    n_areas: int
    inflexible: FloatArray = field(init=False)  # (A,) MW summed over ISPs, consumption positive
    devices: FloatArray = field(init=False)  # (classes, A) injection
    peak: list[Extreme | None] = field(init=False)
    low: list[Extreme | None] = field(init=False)

    def __post_init__(self) -> None:
        self.inflexible, self.devices = np.zeros(self.n_areas), np.zeros((len(CLASSES), self.n_areas))
        self.peak, self.low = [None] * (self.n_areas + 1), [None] * (self.n_areas + 1)

    def see(self, isp: int, net_mw: FloatArray, sites: SitesAhead) -> None:
        """Keep the sites of an ISP if net load (A + 1,) of a grid is higher, or lower, than in all before."""
        for k, mw in enumerate(net_mw.tolist()):
            peak, low = self.peak[k], self.low[k]
            if peak is None or mw > peak.net_mw:
                self.peak[k] = Extreme(isp, mw, sites)
            if low is None or mw < low.net_mw:
                self.low[k] = Extreme(isp, mw, sites)


def load_of(model: FlexibilityModel, load_scale: float = 1.0) -> Load:
    """Load of a model just built, without activation; `load_scale` is that of transmission."""
    layout, areas = model.fleet_agent.fleet.layout, model.areas
    area_of_site = np.zeros(layout.n_sites, dtype=np.int64)
    for k, area in enumerate(areas):
        area_of_site[area.sites] = k
    besides = [area.besides_households_mw(slice(None)) for area in areas]
    other_mw = -np.column_stack([*besides, model.load_mw.sum(axis=1)])
    most = int(MOST_STEPS / (ISP_STEPS + len(layout.member_site)))
    if layout.horizon <= most:
        sums = _simulated(model, [range(layout.horizon)], area_of_site, other_mw)
        hours = layout.hours
        energies = {
            of.name: sums.devices[k] * hours * (1.0 if of.part == GENERATION else -1.0)
            for k, of in enumerate(CLASSES)
        }
        inflexible = sums.inflexible * hours
        days = None
    else:
        sums, inflexible, energies, days = _from_profiles(model, layout, area_of_site, other_mw, most)
    own_mw = -float(model.transmission.p_mw.sum()) * load_scale
    return Load(_grids(model, inflexible, energies, sums, other_mw, own_mw), days)


def _from_profiles(
    model: FlexibilityModel, layout: Layout, area_of_site: IntArray, other_mw: FloatArray, most: int
) -> tuple[_Sums, FloatArray, dict[str, FloatArray], int | None]:
    """Energies from profiles, and extremes from days of at most `most` ISPs, days of burn-in included.

    Returns the sums of these days, the inflexible energy (A,) MWh, that by class of device, and the number of
    days.
    """
    found, hours = profile_sums(layout, area_of_site, len(model.areas)), layout.hours
    net = found.load_mw + found.consumption_mw - found.generation_mw + other_mw[:, :-1]
    net = np.column_stack([net, net.sum(axis=1) + other_mw[:, -1]])
    days = [isps for _, isps in model.calendar.days()]
    several = most // ((BURN_IN + 1) * max(map(len, days)))
    chosen = _extreme_days(net, days, max(several, 2))
    sums = _simulated(model, chosen, area_of_site, other_mw)
    unknown = {of for of in CLASSES if of.part == STORAGE or of in layout.classes}
    nothing = {of: np.full(len(model.areas), np.nan if of in unknown else 0.0) for of in CLASSES}
    energies = {of.name: found.device_mwh.get(of.name, nothing[of]) for of in CLASSES}
    return sums, found.load_mw.sum(axis=0) * hours, energies, len(chosen)


def _extreme_days(net_mw: FloatArray, days: Sequence[range], most: int) -> list[range]:
    """Days with the highest and lowest net load (T, G) of each grid in turn, the last grid first."""
    highest = np.array([net_mw[day.start : day.stop].max(axis=0) for day in days])
    lowest = np.array([net_mw[day.start : day.stop].min(axis=0) for day in days])
    order = np.stack([np.argsort(-highest, axis=0, kind="stable"), np.argsort(lowest, axis=0, kind="stable")])
    ranked = order[:, :, ::-1].transpose(1, 2, 0).ravel()  # by rank, grid, and end of the range
    return [days[k] for k in sorted(list(dict.fromkeys(ranked.tolist()))[:most])]


def _simulated(
    model: FlexibilityModel, spans: Sequence[range], area_of_site: IntArray, other_mw: FloatArray
) -> _Sums:
    """Simulate spans of ISPs, each after `BURN_IN` days."""
    layout, n = model.fleet_agent.fleet.layout, len(model.areas)
    sums, of_member = _Sums(n), area_of_site[layout.member_site]
    places = [CLASSES.index(of) for of in layout.classes]
    for isp, sites, power in _isps(model, spans):
        for place, kw, of in zip(places, layout.split(power), layout.split(of_member), strict=True):
            sums.devices[place] += np.bincount(of, kw, n) / 1000.0
        sums.inflexible -= np.bincount(area_of_site, sites.site_load_kw, n) / 1000.0
        net = other_mw[isp] - np.append(np.bincount(area_of_site, sites.site_base_kw, n) / 1000.0, 0.0)
        net[-1] = net.sum()
        sums.see(isp, net, sites)
    return sums


def _isps(model: FlexibilityModel, spans: Sequence[range]) -> Iterator[tuple[int, SitesAhead, FloatArray]]:
    fleet = model.fleet_agent.fleet
    for span in spans:
        for isp, (sites, power) in zip(
            span, fleet.without_orders(span.start, len(span), BURN_IN), strict=True
        ):
            yield isp, sites, power


def _grids(
    model: FlexibilityModel,
    inflexible: FloatArray,
    energies: dict[str, FloatArray],
    sums: _Sums,
    other_mw: FloatArray,
    own_mw: float,
) -> tuple[GridLoad, ...]:
    hours = model.calendar.isp_hours
    passive = [*(area.passive.p_mw for area in model.areas), model.passive.p_mw]
    generation = np.array([np.maximum(p_mw, 0.0).sum() * hours for p_mw in passive])
    other = other_mw.sum(axis=0) * hours + generation
    nominal = [-area.nominal_mw for area in model.areas]
    whole = {name: np.append(mwh, mwh.sum()) for name, mwh in energies.items()}
    load = np.append(inflexible, inflexible.sum())
    names = [*(area.name for area in model.areas), T]
    found = []
    for k, (name, peak, low) in enumerate(zip(names, sums.peak, sums.low, strict=True)):
        found.append(
            GridLoad(
                name=name,
                nominal_mw=sum(nominal) + own_mw if name == T else nominal[k],
                other_mwh=float(other.sum() if name == T else other[k]),
                generation_mwh=float(generation.sum() if name == T else generation[k]),
                inflexible_mwh=float(load[k]),
                device_mwh={of: float(mwh[k]) for of, mwh in whole.items()},
                peak=present(peak, f"the peak of {name}"),
                low=present(low, f"the lowest load of {name}"),
            )
        )
    return tuple(found)
