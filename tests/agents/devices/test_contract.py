"""The contract test on every registered class, and on classes that break it."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tandem_sim.agents.devices.classes.registry import CLASSES, DEVICES, STATE_COLUMNS
from tandem_sim.agents.devices.classes.water_heater import TankReading, TankState, WaterHeaterGroup
from tandem_sim.agents.devices.contract import check_device
from tandem_sim.agents.devices.device import Limits
from tandem_sim.agents.devices.population import COLUMNS, ROW, Population
from tandem_sim.agents.households.fleet import Residents
from tandem_sim.agents.households.layout import Layout, lay_out
from tandem_sim.grids.types import FloatArray

EVERY = Population(
    pv_share=0.8,
    battery_share=0.6,
    ev_share=0.8,
    heat_pump_share=0.5,
    devices=tuple(known.settings(0.5) for known in CLASSES if known.share),
)


@lru_cache(maxsize=1)
def layout() -> Layout:
    """Households with every class of device, over two winter days."""
    times = pd.date_range("2016-01-11", periods=192, freq="15min", tz="UTC")
    homes = np.arange(150)
    rows = np.random.default_rng(3).random((150, ROW))
    residents = Residents(site_of=homes % 2, aggregator_of=homes % 3, n_sites=2, rows=rows)
    return lay_out(EVERY, residents, times)


@pytest.mark.parametrize("name", DEVICES)
def test_every_class_keeps_the_contract(name: str) -> None:
    check_device(layout().device(name), isps=160)


@dataclass(frozen=True, kw_only=True)
class Boiling(WaterHeaterGroup):
    """Offers more heat than the tank may hold."""

    def feasible_range(
        self, state: TankState, reading: TankReading, base_kw: FloatArray, isps: int
    ) -> Limits:
        low, high = super().feasible_range(state, reading, base_kw, isps)
        return np.minimum(low, -self.tanks.power_kw), high


@dataclass(frozen=True, kw_only=True)
class Shifted(WaterHeaterGroup):
    """A range that leaves its baseline out."""

    def feasible_range(
        self, state: TankState, reading: TankReading, base_kw: FloatArray, isps: int
    ) -> Limits:
        return base_kw - 2.0, base_kw - 1.0


@pytest.mark.parametrize(
    ("kind", "says"), [(Boiling, "highest temperature"), (Shifted, "contain the baseline")]
)
def test_a_class_that_breaks_the_contract_is_told_how(kind: type[WaterHeaterGroup], says: str) -> None:
    heaters: Any = layout().device("water_heater")
    broken = kind(**{name: getattr(heaters, name) for name in heaters.__dataclass_fields__})
    with pytest.raises(AssertionError, match=says):
        check_device(broken)


def test_names_columns_and_random_numbers_of_classes_are_distinct() -> None:
    columns = [column.name for column in STATE_COLUMNS]
    assert len(set(DEVICES)) == len(DEVICES)
    assert len(set(columns)) == len(columns)
    numbers = [*COLUMNS.values()]
    for known in CLASSES:
        if known.share:
            numbers += [known.share_column, *known.numbers.values(), *(p.column for p in known.parameters)]
    assert len(set(numbers)) == len(numbers)
    assert max(numbers) < ROW


def test_a_quantity_that_a_class_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="water_heater has no size"):
        CLASSES[4].settings(0.5, size=(1.0, 2.0))
    with pytest.raises(ValueError, match=r"water_heater\.kw must be \(low, high\)"):
        CLASSES[4].settings(0.5, kw=(2.0, 1.0))
    with pytest.raises(ValueError, match=r"v2g\.share must lie in 0..1"):
        CLASSES[5].settings(1.5)
