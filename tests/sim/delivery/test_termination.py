"""A DSO bounds aFRR inside the ISP by a message: it takes effect when it has arrived, and not if it is lost.

The end of the worked example of the Dutch hybrid scheme. A BSP has 10 MW of plant on transmission and 10 MW
of distributed resources behind a line that carries 5 MW. Nobody has set the boundary of 15 MW ahead, the
system is 1000 MW short, and all is activated. After a delay of 60 s each bid of 10 MW ramps at 2 MW a
minute: the resources inject 4 MW after 180 s of the ISP, 6 MW after 240 s. The DSO looks once a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tandem_sim.agents.services.afrr import AfrrResult, AfrrSettings
from tandem_sim.sim.clock.bus import Link, build_bus
from tandem_sim.sim.clock.clock import Clock
from tandem_sim.sim.delivery.reserve import Reserve
from tandem_sim.sim.delivery.termination import TOO_LATE, TerminationSignals, grid_monitor
from tests.markets.hand import book, feeder
from tests.sim.conftest import HALF_HOURLY, table

Runs = Callable[..., Path]
START_S = 36_000  # 10:00
LINE_MW = 5.0


class Run:
    """One ISP of 900 s in which signals travel over a link; `rows` by table."""

    def __init__(self, **link: Any) -> None:
        self.rows: dict[str, list[Mapping[str, Any]]] = {"messages": [], "fallbacks": []}
        bus = build_bus(
            Link(**link),
            1,
            Clock(START_S),
            lambda name, row: self.rows[name].append(row),
        )
        plant, resources = book(("P", 0, 1, 10.0, 50.0)), book(("R", 2, 1, 10.0, 51.0))
        books = {"T": (plant, plant.quantity_mw), "D": (resources, resources.quantity_mw)}
        area = SimpleNamespace(
            injections=lambda *_: (np.zeros(3), np.zeros(3)), at_nodes=lambda _: np.zeros(3)
        )
        rows = feeder(resources, LINE_MW).rows
        dso: Any = SimpleNamespace(name="DSO-D", system="D", area=area, constraints_now=lambda *_: rows)
        ahead: Any = SimpleNamespace(site_base_kw=None, site_load_kw=None)
        signals = TerminationSignals(
            carry=bus.carry,
            record=lambda name, row: self.rows[name].append(row),
            tso="TSO",
            isp=40,
            start_s=START_S,
            end_s=START_S + 900,
        )
        monitor = grid_monitor([dso], signals, ahead, {"D": np.zeros(3)}, np.zeros(0), books)
        how = AfrrSettings(cycle_s=4, delay_s=60)
        reserve = Reserve(settings=how, sigma_mw=0.0, termination=True, seed=1)
        self.control: AfrrResult = reserve.dispatch(books, 0, -1000.0, 900, monitor).control

    def resources_mw(self, second: int) -> float:
        """What the distributed resources inject at a second of the ISP."""
        return float(self.control.delivered_mw[second // 4 - 1, 1])


def test_a_signal_takes_effect_when_it_has_arrived() -> None:
    run = Run(latency_s=20)
    logged = [(m["kind"], m["sender"], m["receiver"], m["isp"], m["numbers"]) for m in run.rows["messages"]]
    assert logged == [("Termination", "DSO-D", "TSO", 40, 1)] * 2  # one limit, of the bid behind the line
    # Seen at 240 s (6 MW) and again at 300 s, for the way down from 260 s on takes until 340 s.
    assert [m["sent_s"] - START_S for m in run.rows["messages"]] == [240, 300]
    assert [m["delivered_s"] - START_S for m in run.rows["messages"]] == [260, 320]
    assert run.resources_mw(180) == pytest.approx(4.0)
    assert run.resources_mw(260) == pytest.approx(4.0 + 80.0 / 30.0)
    assert run.resources_mw(264) == pytest.approx(4.0 + 76.0 / 30.0)
    assert run.resources_mw(340) == pytest.approx(4.0)  # back to what was safe when the DSO looked at 180 s
    assert run.resources_mw(900) == pytest.approx(4.0)
    assert run.control.terminated.tolist() == [False, True]
    assert run.control.delivered_mw[-1, 0] == pytest.approx(10.0)
    assert run.rows["fallbacks"] == []


def test_between_two_cycles_the_next_one_is_the_first_that_knows() -> None:
    at_once, late = Run(latency_s=0), Run(latency_s=1)
    assert at_once.resources_mw(240) == pytest.approx(6.0)
    assert at_once.resources_mw(244) == pytest.approx(6.0 - 4.0 / 30.0)
    assert late.resources_mw(244) == pytest.approx(6.0 + 4.0 / 30.0)  # received at 241 s, set-point at 244 s
    assert late.resources_mw(248) == pytest.approx(6.0)


def test_a_lost_signal_has_no_effect_and_is_sent_again_at_the_next_check() -> None:
    run = Run(latency_s=20, loss=1.0)
    assert run.control.terminated.tolist() == [False, False]
    assert run.resources_mw(360) == pytest.approx(10.0)
    assert [m["sent_s"] - START_S for m in run.rows["messages"]] == list(range(240, 901, 60))
    assert all(m["lost"] for m in run.rows["messages"])
    what = {(f["party"], f["about"], f["consequence"]) for f in run.rows["fallbacks"]}
    assert what == {("TSO", "Termination from DSO-D", "the reserve goes on until the DSO's next check")}
    assert len(run.rows["fallbacks"]) == 12


def test_a_signal_that_comes_after_its_isp_stops_nothing_and_is_listed() -> None:
    run = Run(latency_s=700)
    assert run.control.terminated.tolist() == [False, False]
    assert run.resources_mw(900) == pytest.approx(10.0)
    assert [f["consequence"] for f in run.rows["fallbacks"]] == [TOO_LATE] * 12


BLIND: dict[str, Any] = {
    **HALF_HOURLY,
    "seed": 2,
    "scheme": "central-01",
    "reserve": {"enabled": True, "cycle_s": 10, "noise_mw": 8, "monitor_s": 20},
}


def test_signals_of_a_run_are_in_its_messages(small_run: Runs) -> None:
    run = small_run(**BLIND)
    sent = table(run, "messages").query("kind == 'Termination'")
    assert len(sent) > 10
    assert set(zip(sent.sender, sent.receiver, strict=True)) == {("DSO-D1", "TSO")}
    assert (sent.delivered_s - sent.sent_s == 1).all()
    assert ((sent.sent_s - 1800 * sent.isp) % 20 == 0).all()  # when DSOs look
    assert (sent.numbers > 0).all()
    stopped = table(run, "reserve").set_index("isp").terminated_bids
    assert set(stopped[stopped > 0].index) == set(sent.isp)


def test_signals_that_are_lost_or_late_are_listed_and_slow_ones_repeated(small_run: Runs) -> None:
    lossy = small_run(**BLIND, messages={"loss": 0.3})
    sent = table(lossy, "messages").query("kind == 'Termination'")
    listed = table(lossy, "fallbacks").query("about == 'Termination from DSO-D1'")
    assert sent.lost.any()
    late = (~sent.lost & (sent.delivered_s > 1800 * (sent.isp + 1))).sum()
    assert len(listed) == sent.lost.sum() + late
    slow, prompt = small_run(**BLIND, messages={"latency_s": 280}), small_run(**BLIND)
    signals = [(table(run, "messages").kind == "Termination").sum() for run in (slow, prompt)]
    assert signals[0] > 2 * signals[1]
