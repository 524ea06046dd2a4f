"""What results do not depend on: the length of a run and of its ISPs, the order of what is listed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tandem_sim.agents.base.messages import Message
from tandem_sim.sim.clock.bus import Bus, Link
from tandem_sim.sim.clock.clock import Clock
from tandem_sim.sim.clock.randomness import stream
from tandem_sim.sim.model import FlexibilityModel
from tandem_sim.sim.output.tables import TABLES
from tests.sim.conftest import HOURLY, hashes, small_scenario, table

Runs = Callable[..., Path]

BUSY: dict[str, Any] = {
    **HOURLY,
    "messages": {"loss": 0.02, "spread_s": 40.0, "distribution": "exponential"},
    "reserve": {"enabled": True, "setpoint_loss": 0.05},
    "imbalance": {"rule": "dual"},
    "flexibility_register": {"enabled": True, "grid_test": True},
    "capacity": {
        "afrr_up_mw": 2.0,
        "afrr_down_mw": 2.0,
        "mfrr_up_mw": 1.0,
        "nomination": True,
        "local": {"needs": [{"area": "D1", "direction": "up", "mw": 0.05, "from_hour": 17, "to_hour": 21}]},
    },
    "forwarding": {"amend": True, "reprice": True, "consent": True},
    "settlement": {"baseline": "schedule", "schedule_mape": 0.05},
    "power_flow_check": {"audit_share": 0.1},
}
"""All that draws random numbers, and all that looks ahead."""
PLAYED: dict[str, Any] = {
    **HOURLY,
    "publishes_books": True,
    "strategies": [
        {"aggregators": ["G2"], "name": "inc-dec"},
        {"aggregators": ["A01"], "name": "q-learning"},
        {"aggregators": ["A02"], "name": "exp3"},
    ],
}


@pytest.mark.parametrize("settings", [HOURLY, BUSY, PLAYED, {**HOURLY, "scheme": "integrated"}])
def test_a_day_alone_is_the_first_day_of_a_longer_run(small_run: Runs, settings: dict[str, Any]) -> None:
    alone, longer = small_run(**settings), small_run(**settings | {"days": 3})
    for name in TABLES:
        day, days = table(alone, name), table(longer, name)
        first = days[days.isp < 24].reset_index(drop=True)
        pd.testing.assert_frame_equal(day, first, check_exact=True, obj=name)


def _model(tmp_path: Path, **overrides: Any) -> FlexibilityModel:
    scenario = small_scenario(**overrides)
    model = FlexibilityModel(scenario, None, tmp_path)
    return model


def test_houses_are_the_same_whatever_the_isp(tmp_path: Path) -> None:
    quarter, hour = (
        _model(tmp_path / str(minutes), isp_minutes=minutes).fleet_agent.fleet for minutes in (15, 60)
    )
    np.testing.assert_array_equal(quarter.inverter_kw(), hour.inverter_kw())
    for direction in (1, -1):
        np.testing.assert_array_equal(quarter.swing_kw()[direction], hour.swing_kw()[direction])
        np.testing.assert_array_equal(quarter.rated_kw()[direction], hour.rated_kw()[direction])
    np.testing.assert_array_equal(
        quarter.layout.device("battery").cells.energy_kwh, hour.layout.device("battery").cells.energy_kwh
    )
    np.testing.assert_allclose(quarter.layout.load_kw.sum(), hour.layout.load_kw.sum(), rtol=1e-12)
    np.testing.assert_array_equal(
        quarter.layout.device("heat_pump").pumps.power_kw, hour.layout.device("heat_pump").pumps.power_kw
    )


TWO_AREAS: dict[str, Any] = {
    "transmission": {
        "grid": "case14",
        "load_profile": ["hv_urban", "hv_mixed1", "hv_mixed2"],
        "units": [
            {"name": "G1", "bus": 0, "p_max_mw": 332.4, "ramp_mw_per_isp": 50, "c1": 20, "c2": 0.0430293},
            {"name": "G2", "bus": 1, "p_max_mw": 140, "ramp_mw_per_isp": 50, "c1": 20, "c2": 0.25},
            {"name": "G3", "bus": 2, "p_max_mw": 100, "ramp_mw_per_isp": 50, "c1": 20, "c2": 0.25},
        ],
        "large_loads": [
            {"name": "L3", "bus": 2, "up_mw": 5, "up_price": 120, "down_mw": 3, "down_price": 5},
            {"name": "L4", "bus": 3, "up_mw": 5, "up_price": 120, "down_mw": 3, "down_price": 5},
        ],
    },
    "distribution": [
        {
            "id": "D1",
            "grid": "case69",
            "load_scale": 0.2,
            "interface_bus": 4,
            "other_profile": ["G0-A", "G1-B", "G2-A"],
            "ratings_mva": {"line 4": 0.25},
        },
        {
            "id": "D2",
            "grid": "case33bw",
            "load_scale": 0.2,
            "interface_bus": 9,
            "other_profile": ["G0-A"],
            "ratings_mva": {"line 2": 0.4},
        },
    ],
    "low_voltage": [
        {"name": name, "area": "D1", "bus": 61, "grid": "ieee_european_lv_asymmetric", "own_aggregator": True}
        for name in ("street-a", "street-b")
    ],
    "households": 2500,
    "incidents": [
        {"bus": bus, "mw": mw, "start": "2016-04-18T10:00", "end": "2016-04-18T12:00"}
        for bus, mw in ((3, -7.3), (3, 1.1), (8, 0.7))
    ],
    "strategies": [
        {"aggregators": ["A02"], "name": "fixed-markup"},
        {"aggregators": ["A01", "G3"], "name": "exp3"},
    ],
}


def _reversed(given: Any) -> Any:
    """The same with every list the other way round, but for pairs of bounds."""
    if isinstance(given, Mapping):
        return {key: _reversed(value) for key, value in reversed(list(given.items()))}
    if isinstance(given, list):
        return [_reversed(value) for value in reversed(given)]
    return given


def test_the_order_of_areas_units_loads_feeders_and_strategies_changes_nothing(small_run: Runs) -> None:
    forwards = small_run(**HOURLY, **TWO_AREAS)
    backwards = small_run(
        **HOURLY,
        **_reversed(TWO_AREAS),
        creation_order=lambda things: list(reversed(things)),
        label="backwards",
    )
    assert hashes(backwards) == hashes(forwards)


def test_one_aggregator_more_leaves_houses_and_most_customers(tmp_path: Path) -> None:
    few = _model(tmp_path / "few", aggregators=4).fleet_agent.fleet.layout
    more = _model(tmp_path / "more", aggregators=5).fleet_agent.fleet.layout
    energies = [np.sort(layout.device("battery").cells.energy_kwh) for layout in (few, more)]
    np.testing.assert_array_equal(energies[0], energies[1])
    np.testing.assert_array_equal(few.load_kw, more.load_kw)


def _arrivals(dropped: int | None) -> dict[tuple[str, int], int]:
    """When messages of two senders arrive, by sender and ISP; one of them is never sent."""
    clock, arrived = Clock(0), {}
    link = Link(1, 0.2, "exponential", 30.0)

    def take(message: Message) -> None:
        arrived[message.sender, message.isp] = message.delivered_s

    bus = Bus(clock, link, 1, lambda message, lost: None)
    bus.connect({"b": take})

    def send(isp: int) -> None:
        if isp != dropped:
            bus.send(Message("a", "b", isp))
        bus.send(Message("c", "b", isp))

    clock.gate("offer", [(isp, isp) for isp in range(200)], [send])
    clock.run()
    return arrived


def test_a_message_that_is_not_sent_shifts_no_other() -> None:
    everything = _arrivals(None)
    for isp in (57, 58, 59):  # of which some would have been lost anyway
        others = {key: second for key, second in everything.items() if key != ("a", isp)}
        assert _arrivals(isp) == others


def test_every_message_has_a_name_of_its_own_in_random_streams() -> None:
    def below(kind: type[Message]) -> list[type[Message]]:
        return [kind, *(each for sub in kind.__subclasses__() for each in below(sub))]

    names = [kind.chance for kind in below(Message)[1:]]
    assert all(names)
    assert len(set(names)) == len(names)


def test_labels_keep_results_as_they_were() -> None:
    """All results depend on these numbers: a change of them changes all results."""
    assert stream(1, "forecast", "D1").random() == 0.533354010010212
    assert stream(1, "households", "D1", 5).random() == 0.5233884004673341
    assert stream(7, "message", "TSO", "A01", 3, 900, 0).random() == 0.3164594215210623
