"""Households as agents of Mesa: light views of the fleet's arrays, made when somebody asks for them.

The fleet computes all households together, so a million households are no million objects. A view is made
when the set of households is looped over, and reads the arrays when a property is read:

```python
households = model.agents_by_type[Household]
households.agg("power_kw", np.nansum)
households.select(lambda home: home.battery_soc < 0.2).get("aggregator")
```

Orders and limits reach households as messages to their fleet, and stand in table ``messages``.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import mesa
import numpy as np
from mesa.agent import AgentSet

from tandem_sim.agents.devices.classes.pv import PvGroup
from tandem_sim.agents.devices.population import Households
from tandem_sim.agents.households.fleet import HouseholdFleet, Residents
from tandem_sim.agents.households.fleet_agent import FleetAgent
from tandem_sim.agents.households.layout import loads_of
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray


class Household(mesa.Agent):
    """One household: row `row` of its fleet. Values are those after the ISP delivered last, nan before it.

    `unique_id` counts households alone, from 1. A property of a device that the household does not own is
    nan.
    """

    def __init__(self, households: HouseholdSet, row: int) -> None:
        self.model, self.unique_id, self.pos = households.model, row + 1, None
        self.row, self._all = row, households

    @property
    def site(self) -> int:
        """Number of its bus among all buses with households."""
        return int(self._all.residents.site_of[self.row])

    @property
    def aggregator(self) -> str:
        """Name of its aggregator."""
        return self._all.fleet_agent.owners[int(self._all.residents.aggregator_of[self.row])]

    @property
    def power_kw(self) -> float:
        """Net injection of the household, kW, feeding in positive."""
        return float(self._all.power_kw()[self.row])

    @property
    def battery_soc(self) -> float:
        """State of charge of its battery, 0 to 1."""
        return float(self._all.battery_soc()[self.row])

    @property
    def ev_energy_owed_kwh(self) -> float:
        """Energy that its EV still needs before departure, kWh at the meter."""
        return float(self._all.ev_energy_owed_kwh()[self.row])

    @property
    def indoor_deviation_k(self) -> float:
        """Deviation of the indoor temperature from its set point, K."""
        return float(self._all.indoor_deviation_k()[self.row])

    @property
    def limited(self) -> bool:
        """Whether a DSO has limited its connection in the ISP delivered last, by a non-firm contract."""
        return bool(self._all.limited()[self.row])


class HouseholdSet(AgentSet):
    """The H households of a fleet as an `AgentSet` of Mesa, in the order of their rows.

    Its methods without argument give all values at once, arrays (H,).
    """

    def __init__(
        self, model: mesa.Model, fleet_agent: FleetAgent, homes: Households, residents: Residents
    ) -> None:
        self.random = model.random
        self.model, self.fleet_agent, self.homes, self.residents = model, fleet_agent, homes, residents
        self._power: tuple[int, FloatArray] | None = None  # next ISP of the fleet, values

    @cached_property
    def _views(self) -> list[Household]:
        return [Household(self, row) for row in range(len(self))]

    @cached_property
    def _agents(self) -> weakref.WeakKeyDictionary[Household, None]:
        """What the methods of `AgentSet` loop over; `_views` keeps the views alive."""
        return weakref.WeakKeyDictionary(dict.fromkeys(self._views))

    def __len__(self) -> int:
        """Number of households; makes no view."""
        return len(self.residents.site_of)

    def __iter__(self) -> Iterator[Household]:
        return iter(self._views)

    def __getitem__(self, item: Any) -> Any:
        return self._views[item]

    def __contains__(self, agent: object) -> bool:
        return isinstance(agent, Household) and agent._all is self

    @property
    def fleet(self) -> HouseholdFleet:
        """The fleet of the households."""
        return self.fleet_agent.fleet

    def power_kw(self) -> FloatArray:
        """Net injection (H,) kW in the ISP delivered last, nan before it; PV is curtailed in proportion."""
        fleet = self.fleet
        if self._power is None or self._power[0] != fleet.next_isp:
            self._power = fleet.next_isp, self._computed_power()
        return self._power[1]

    def _computed_power(self) -> FloatArray:
        fleet, lay = self.fleet, self.fleet.layout
        if fleet.power_kw is None:
            return np.full(len(self), np.nan)
        isp, (load_at, load_kw) = fleet.next_isp - 1, self._loads
        power = -load_kw * lay.window.read(isp, load_at)
        for group, owners, kw in zip(lay.devices, lay.owners, lay.split(fleet.power_kw), strict=True):
            if isinstance(group, PvGroup):
                kw = group.of_owners(kw, isp, self.homes.pv_kwp[owners], self.homes.pv_profile[owners])
            power[owners] += kw
        shed, apart = fleet.shed_kw, self.connection_of >= 0
        power[apart] += shed[self.connection_of[apart]]
        return power

    def battery_soc(self) -> FloatArray:
        """State of charge of batteries (H,), 0 to 1."""
        return self._of("battery", lambda group, state: state.stored_kwh / group.cells.energy_kwh)

    def ev_energy_owed_kwh(self) -> FloatArray:
        """Energy that EVs, V2G cars included, still need before departure (H,) kWh at the meter."""
        needs = [self._of(name, lambda group, state: state.left_kwh) for name in ("ev", "v2g")]
        return np.where(np.isnan(needs[0]), needs[1], needs[0])

    def indoor_deviation_k(self) -> FloatArray:
        """Deviation of indoor temperatures (H,) K."""
        return self._of("heat_pump", lambda group, state: state.theta_k)

    def limited(self) -> BoolArray:
        """Households (H,) whose connection is limited in the ISP delivered last."""
        found, apart = np.zeros(len(self), dtype=bool), self.connection_of >= 0
        limits = self.fleet_agent.connection_limits(self.fleet.next_isp - 1)
        if limits is not None:
            some = np.isfinite(limits.import_kw) | np.isfinite(limits.export_kw)
            found[apart] = some[self.connection_of[apart]]
        return found

    @property
    def connection_of(self) -> IntArray:
        """Connection of every household on a modelled LV feeder (H,), -1 for others."""
        return self.fleet.layout.connection_of

    @cached_property
    def _loads(self) -> tuple[IntArray, FloatArray]:
        return loads_of(self.homes, self.fleet.layout.window)

    def _of(self, name: str, value: Callable[[Any, Any], FloatArray]) -> FloatArray:
        """Values of the owners of a class of device (H,), nan for others."""
        found, lay = np.full(len(self), np.nan), self.fleet.layout
        parts = zip(lay.classes, lay.devices, lay.owners, self.fleet.device_states, strict=True)
        for known, group, owners, state in parts:
            if known.name == name:
                found[owners] = value(group, state)
        return found
