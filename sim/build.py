"""From a scenario to a world: every agent, grid and stream, in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from agents.aggregator import Aggregator
from agents.area import Area
from agents.brp import BRP
from agents.day_ahead import DayAheadMarket
from agents.dso import DSO, Margins
from agents.fleet import HouseholdFleet
from agents.forecast import ForecastErrors
from agents.household import FleetDesk, Household
from agents.messages import Message
from agents.operator import Register
from agents.participant import Desk, Participant
from agents.population import Population
from agents.portfolio import HouseholdPortfolio, LargeLoad, LoadPortfolio, Portfolio, Unit, UnitPortfolio
from agents.strategies import STRATEGIES
from agents.tso import TSO
from grids.arrays import FloatArray, IntArray
from grids.dc import DcModel
from grids.errors import InputError
from grids.lindistflow import LinDistFlow
from grids.load import load_net
from grids.network import Network
from grids.powerflow import PowerFlow
from grids.profiles import ProfileError, measured, span
from markets.bids import Product
from markets.blocks import TSO as T
from markets.schemes import build_schemes
from sim.bus import Bus, Link
from sim.calendar import Calendar
from sim.clock import Clock
from sim.physics import Physics
from sim.randomness import stream
from sim.recorder import Recorder
from sim.settings import DistributionSettings, GridSettings, Scenario
from sim.world import World

TSO_NAME, MARKET_NAME, FLEET_NAME = "TSO", "day-ahead market", "households"
LOOK_AHEAD_ISPS = 8
"""ISPs behind the horizon that previews may look into."""


@dataclass(frozen=True)
class Grids:
    """The physical world of a scenario, before anybody acts in it."""

    transmission: Network
    dc: DcModel
    areas: list[Area]
    interface_node: dict[str, int]
    load_mw: FloatArray  # (T, N)
    tan_phi: FloatArray  # (N,)
    site_of: IntArray  # (H,) site of each household
    n_sites: int


def build_grids(scenario: Scenario, calendar: Calendar, folder: Path | None) -> Grids:
    """Load the grids, place the households in proportion to nominal load, and read the measured profiles."""
    times = calendar.times(LOOK_AHEAD_ISPS)
    settings = scenario.transmission
    transmission = _network(settings, folder)
    load = transmission.p_mw * settings.load_scale
    interface_node = {}
    networks = {d.id: _network(d, folder) for d in scenario.distribution}
    shares = {d.id: np.maximum(-networks[d.id].p_mw * d.load_scale, 0.0) for d in scenario.distribution}
    counts = _apportion(np.concatenate(list(shares.values())), scenario.households)
    areas, first, offset, site_of = [], 0, 0, []
    for k, d in enumerate(scenario.distribution):
        field = f"distribution.{k}.interface_bus"
        interface_node[d.id] = int(transmission.nodes_of(np.array([d.interface_bus]), field)[0])
        nominal = shares[d.id]
        if nominal.sum() <= 0:
            raise InputError(d.grid, f"distribution.{k}.grid", "has no load to place households by", "Give a grid with loads")
        sites = np.flatnonzero(nominal > 0)
        n = counts[offset : offset + len(nominal)][sites]
        site_of.append(np.repeat(np.arange(first, first + len(sites)), n))
        areas.append(_area(d, networks[d.id], nominal, sites, first, times))
        first += len(sites)
        offset += len(nominal)
    q = np.where(transmission.p_mw != 0, transmission.q_mvar / np.where(transmission.p_mw != 0, transmission.p_mw, 1.0), 0.0)
    profile = _profile(settings.load_profile, times, "transmission.load_profile")
    return Grids(
        transmission,
        DcModel.build(transmission),
        areas,
        interface_node,
        profile[:, None] * load[None, :],
        q,
        np.concatenate(site_of).astype(np.int64),
        first,
    )


def _network(settings: GridSettings, folder: Path | None) -> Network:
    net = load_net(settings.grid, folder)
    net.gen["p_mw"] = 0.0  # units are scheduled by the day-ahead market; their voltage set-points stay
    return Network.from_pandapower(net, settings.grid).with_ratings(settings.ratings_mva)


def _area(d: DistributionSettings, network: Network, nominal: FloatArray, sites: IntArray, first: int, times: pd.DatetimeIndex) -> Area:
    active = -network.p_mw
    tan_phi = np.where(nominal > 0, -network.q_mvar / np.where(active > 0, active, 1.0), 0.0)
    profile = _profile(d.other_profile, times, f"distribution.{d.id}.other_profile")
    return Area(
        name=d.id,
        network=network,
        lin=LinDistFlow.build(network),
        power_flow=PowerFlow(network),
        sites=slice(first, first + len(sites)),
        site_node=sites.astype(np.int64),
        share=nominal / nominal.sum(),
        tan_phi=tan_phi,
        other_mw=-profile * d.other_share * float(nominal.sum()),
    )


def _profile(names: list[str], times: pd.DatetimeIndex, field: str) -> FloatArray:
    """Mean of measured profiles, 1 at the peak of their year."""
    try:
        year = measured(names, pd.date_range(*span(), freq="15min", inclusive="left")).mean(axis=1)
        return np.asarray(measured(names, times).mean(axis=1) / year.max())
    except ProfileError as error:
        raise InputError("scenario", field, str(error), "Change the profile's name, or start and days") from error


def _apportion(weights: FloatArray, total: int) -> IntArray:
    """Whole numbers in proportion to weights, by largest remainder (ties: first come)."""
    quota = weights / weights.sum() * total
    counts = np.floor(quota).astype(np.int64)
    order = np.argsort(-(quota - counts), kind="stable")
    counts[order[: total - counts.sum()]] += 1
    return counts


def build_world(
    scenario: Scenario, folder: Path | None, out: Path, on_isp: Callable[[int], None] = lambda isp: None
) -> tuple[World, Clock]:
    """A world ready to run, writing its tables into `out`. Raises `InputError` for what cannot be built."""
    calendar = Calendar.of_days(str(scenario.start), scenario.days, scenario.isp_minutes, scenario.zone)
    grids = build_grids(scenario, calendar, folder)
    fleet, aggregator_of = _fleet(scenario, calendar, grids)
    recorder = Recorder(out, calendar)
    clock = Clock(calendar.days()[0][0])
    bus = _bus(scenario, clock, recorder)
    world = World()
    world.calendar, world.areas, world.recorder, world.on_isp = calendar, grids.areas, recorder, on_isp
    world.load_mw, world.register = grids.load_mw, {}
    _Agents(scenario, world, clock, bus, grids, fleet, aggregator_of).settle_in()
    rng = stream(scenario.seed, "validation")
    world.audited = frozenset(np.flatnonzero(rng.random(calendar.n_isp) < scenario.validation.audit_share).tolist())
    return world, clock


def _bus(scenario: Scenario, clock: Clock, recorder: Recorder) -> Bus:
    def log(message: Message, lost: bool) -> None:
        recorder(
            "messages",
            {
                "isp": message.isp,
                "kind": type(message).__name__.removesuffix("Message"),
                "sender": message.sender,
                "receiver": message.receiver,
                "sent_s": message.sent_s,
                "delivered_s": message.delivered_s,
                "lost": lost,
            },
        )

    link = Link(scenario.messages.latency_s, scenario.messages.loss)
    return Bus(clock, link, stream(scenario.seed, "bus"), log)


def _fleet(scenario: Scenario, calendar: Calendar, grids: Grids) -> tuple[HouseholdFleet, IntArray]:
    try:
        population = Population(**{k: tuple(v) if isinstance(v, list) else v for k, v in scenario.population.items()})
    except (TypeError, ValueError) as error:
        raise InputError("scenario", "population", str(error), "See agents.population.Population for its fields") from error
    rng = stream(scenario.seed, "placement")
    local = np.array([rng.permutation(scenario.aggregators)[: scenario.aggregators_per_bus] for _ in range(grids.n_sites)])
    pick = rng.integers(scenario.aggregators_per_bus, size=len(grids.site_of))
    aggregator_of = local[grids.site_of, pick].astype(np.int64)
    times = calendar.times(LOOK_AHEAD_ISPS)
    try:
        fleet = HouseholdFleet.build(
            population, grids.site_of, aggregator_of, times, grids.n_sites, stream(scenario.seed, FLEET_NAME)
        )
    except ProfileError as error:
        raise InputError("scenario", "start", str(error), "Choose start and days within the profiles") from error
    return fleet, aggregator_of


class _Agents:
    """Wires the agents of one scenario into a world."""

    def __init__(
        self, scenario: Scenario, world: World, clock: Clock, bus: Bus, grids: Grids, fleet: HouseholdFleet, aggregator_of: IntArray
    ) -> None:
        self.scenario, self.world, self.clock, self.bus, self.grids, self.fleet = scenario, world, clock, bus, grids, fleet
        self.aggregator_of = aggregator_of
        self.scheme = build_schemes(scenario.prequalification)[scenario.scheme]
        self.product = Product("mFRR energy", *scenario.product.model_dump().values())
        sizes = {T: -float(grids.transmission.p_mw.sum()) * scenario.transmission.load_scale}
        sizes |= {d.id: -float(a.network.p_mw.sum()) * d.load_scale for d, a in zip(scenario.distribution, grids.areas, strict=True)}
        self.errors = ForecastErrors.draw(
            scenario.forecast.mape,
            scenario.forecast.persistence,
            sizes,
            len(grids.load_mw),
            {area: stream(scenario.seed, f"forecast {area}") for area in sizes},
        )

    def desk(self, name: str) -> Desk:
        return Desk(lambda: self.clock.now, self.bus.send, self.world.recorder, stream(self.scenario.seed, name))

    def lead_h(self, isp: int) -> float:
        return (self.world.calendar.seconds(isp) - self.clock.now) / 3600.0

    def settle_in(self) -> None:
        w, s = self.world, self.scenario
        names = [f"A{k + 1:02d}" for k in range(s.aggregators)]
        w.fleet_desk = FleetDesk(w, FLEET_NAME, self.desk(FLEET_NAME), self.fleet, names)
        for row, (site, number) in enumerate(zip(self.grids.site_of.tolist(), self.aggregator_of.tolist(), strict=True)):
            Household(w, row, site, names[number])
        w.dsos = [self._dso(area) for area in self.grids.areas]
        w.tso = self._tso()
        to_dso = any(b.party == "dso" for b in self.scheme.blocks)
        receivers = {d.house: d.name if to_dso else TSO_NAME for d in w.dsos}
        w.aggregators = [
            self._aggregator(n, HouseholdPortfolio(n, k, w.fleet_desk, self.grids.areas), receivers, FLEET_NAME)
            for k, n in enumerate(names)
        ]
        node = {u.name: int(self.grids.transmission.nodes_of(np.array([u.bus]), f"units.{u.name}.bus")[0]) for u in s.transmission.units}
        units = [
            Unit(u.name, node[u.name], u.p_min_mw, u.p_max_mw, u.ramp_mw_per_isp, u.c1, u.c2, u.adder) for u in s.transmission.units
        ]
        loads = [
            LargeLoad(x.name, int(self.grids.transmission.nodes_of(np.array([x.bus]), f"large_loads.{x.name}.bus")[0]), x.up_mw, x.up_price, x.down_mw, x.down_price)
            for x in s.transmission.large_loads
        ]
        portfolios: list[tuple[str, Portfolio]] = [(u.name, UnitPortfolio(u)) for u in units]
        portfolios += [(x.name, LoadPortfolio(x)) for x in loads]
        w.producers = [self._aggregator(n, p, {T: TSO_NAME}, None) for n, p in portfolios]
        told = [a.name for a in w.aggregators] + [x.name for x in loads] + [TSO_NAME]
        w.market = DayAheadMarket(w, MARKET_NAME, self.desk(MARKET_NAME), units, [u.name for u in units], told, TSO_NAME)
        self._brps()
        w.physics = Physics(
            self.grids.areas, self.grids.dc, PowerFlow(self.grids.transmission), self.grids.interface_node,
            self.grids.tan_phi, s.dso.offset, s.validation.solver,
        )  # fmt: skip
        everyone: list[Participant] = [w.fleet_desk, *w.dsos, w.tso, *w.aggregators, *w.producers, w.market, *w.brps]
        self.bus.connect({agent.name: agent.receive for agent in everyone})

    def _dso(self, area: Area) -> DSO:
        name = f"DSO-{area.name}"
        margins = Margins(self.scenario.dso.flow_margin, self.scenario.dso.voltage_margin_pu)
        return DSO(
            self.world, name, self.desk(name), area, self.scheme, self.product, self.world.register,
            self.world.fleet_desk, self.errors, self.lead_h, self.scenario.dso.offset, margins, TSO_NAME,
        )  # fmt: skip

    def _tso(self) -> TSO:
        unit_node = {
            u.name: int(self.grids.transmission.nodes_of(np.array([u.bus]), f"transmission.units.{u.name}.bus")[0])
            for u in self.scenario.transmission.units
        }
        return TSO(
            self.world, TSO_NAME, self.desk(TSO_NAME), self.scheme, self.product, self.world.register, self.grids.dc,
            unit_node, self.grids.load_mw, self.grids.areas, self.grids.interface_node, self.world.fleet_desk,
            self.errors, self.lead_h,
        )  # fmt: skip

    def _aggregator(self, name: str, portfolio: Portfolio, receivers: dict[str, str], orders: str | None) -> Aggregator:
        strategy = STRATEGIES[self.scenario.strategy]()
        return Aggregator(self.world, name, self.desk(name), portfolio, strategy, self.product, receivers, orders)

    def _brps(self) -> None:
        w = self.world
        receivers = (MARKET_NAME, TSO_NAME)

        @cache
        def rollout(now_isp: int, last: int) -> FloatArray:
            return self.fleet.rollout(now_isp, last - now_isp + 1).site_base_kw

        def error(area: str, day: range) -> FloatArray:
            return np.array([self.errors.error_mw(area, isp, self.lead_h(isp)) for isp in day])

        def transmission(day: range) -> FloatArray:
            return np.asarray(self.grids.load_mw[day.start : day.stop].sum(axis=1) + error(T, day))

        def distribution(area: Area) -> Callable[[range], FloatArray]:
            def forecast(day: range) -> FloatArray:
                site = rollout(self.fleet.next_isp, day.stop - 1)[-len(day) :, area.sites].sum(axis=1) / 1000.0
                return np.asarray(site + area.other_mw[day.start : day.stop] + error(area.name, day))

            return forecast

        w.brp_t = BRP(w, "BRP-T", self.desk("BRP-T"), transmission, receivers)
        w.brp_of_area = {
            a.name: BRP(w, f"BRP-{a.name}", self.desk(f"BRP-{a.name}"), distribution(a), receivers) for a in self.grids.areas
        }
        w.brps = [w.brp_t, *w.brp_of_area.values()]
