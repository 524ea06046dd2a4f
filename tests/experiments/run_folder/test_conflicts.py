"""What operators buy and undo, worked out by hand on a few awards."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from matplotlib.patches import Rectangle, StepPatch

from tandem_sim.experiments.figures.conflicts import by_hour, conflict_figure
from tandem_sim.experiments.figures.style import house_style
from tandem_sim.experiments.results.kpis import left_to_tso
from tandem_sim.experiments.results.kpis_conflicts import KEYS, conflict_kpis
from tandem_sim.experiments.results.run_data import RunData, read_run
from tandem_sim.experiments.run_folder.conflicts import (
    CONFLICT_SCHEMA,
    CONFLICTS,
    NODE,
    UNIT,
    UNITS,
    conflicts,
    trades_of,
    undone,
    units,
    write_conflicts,
)
from tandem_sim.markets.schemes import SCHEMES
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.output.recorder import Recorder
from tandem_sim.sim.output.tables import TABLES
from tandem_sim.sim.settlement.accounts import buyer_of_market

SCHEME = SCHEMES["multilevel-01"]
HALF_HOUR = 0.5
Award = tuple[int, str, str, int, str, int, float, float]
COLUMNS = ("isp", "market", "system", "node", "bid_id", "direction", "quantity_mw", "price_eur_per_mwh")
AWARDS: list[Award] = [
    # Node 1 of D1 in ISP 0: the DSO buys 10 MW up, the TSO 8 MW down, 3 MW of them on unit a.
    (0, "dso_market", "D1", 1, "a.up", 1, 4.0, 50.0),
    (0, "dso_market", "D1", 1, "b.up", 1, 6.0, 60.0),
    (0, "tso_market", "D1", 1, "a.down", -1, 3.0, 20.0),
    (0, "tso_market", "D1", 1, "c.down", -1, 5.0, 28.0),
    # Node 1 of D2 has the same number and is another place: nothing is undone there.
    (0, "dso_market", "D2", 1, "d.down", -1, 10.0, 5.0),
    (0, "tso_market", "D2", 2, "e.up", 1, 10.0, 90.0),
    # ISP 1, the other way round, in two steps of one unit: the DSO buys 2 MW down, the TSO 1 + 3 MW up.
    (1, "dso_market", "D1", 1, "a.down", -1, 2.0, -10.0),
    (1, "tso_market", "D1", 1, "a.up.0", 1, 1.0, 40.0),
    (1, "tso_market", "D1", 1, "a.up.1", 1, 3.0, 80.0),
    # The reserve goes both ways on one unit of transmission: no round trip.
    (1, "afrr", "T", 4, "g.up", 1, 2.0, 100.0),
    (1, "afrr", "T", 4, "g.down", -1, 2.0, 30.0),
    (1, "tso_market", "T", 4, "g.up", 1, 8.0, 70.0),
]


def activations(awards: list[Award]) -> pd.DataFrame:
    frame = pd.DataFrame(awards, columns=list(COLUMNS))
    start = pd.Timestamp("2016-04-18", tz="UTC")
    return frame.assign(provider="A01", time=start + pd.to_timedelta(30 * frame.isp.astype(int), unit="min"))


def trades(awards: list[Award]) -> pd.DataFrame:
    return trades_of(activations(awards), buyer_of_market(SCHEME), HALF_HOUR)


def test_a_bid_names_its_unit_and_a_layer_who_pays() -> None:
    found = trades(AWARDS)
    assert found.unit.tolist() == ["a", "b", "a", "c", "d", "e", "a", "a", "a", "g", "g", "g"]
    assert found.operator.tolist() == [
        "DSO-D1", "DSO-D1", "TSO", "TSO", "DSO-D2", "TSO", "DSO-D1", "TSO", "TSO", "TSO", "TSO", "TSO",
    ]  # fmt: skip
    assert found.service[[0, 2, 9, 11]].tolist() == ["local", "mfrr", "afrr", "mfrr"]
    assert found.eur[:3].tolist() == [100.0, 180.0, -30.0]  # half an hour of 4 MW at 50, 6 at 60, -3 at 20


def test_what_is_undone_by_hand() -> None:
    """ISP 0: min(10, 8) MW = 4 MWh at the node, min(4, 3) MW = 1.5 MWh on unit a.

    The DSO paid (4 * 50 + 6 * 60) / 10 = 56 EUR/MWh, the TSO got (3 * 20 + 5 * 28) / 8 = 25: 31 EUR/MWh lost
    at the node, 50 - 20 = 30 on the unit. ISP 1: min(2, 4) MW = 1 MWh at both; the DSO paid 10 for the way
    down, the TSO (40 + 3 * 80) / 4 = 70 for the way up.
    """
    found = conflicts(trades(AWARDS))
    assert found.columns.tolist() == CONFLICT_SCHEMA.names[1:]
    assert [tuple(row) for row in found.itertuples(index=False)] == [
        (0, "DSO-D1", "D1", 1, 1, 5.0, 4.0, 124.0, 1.5, 45.0),
        (0, "DSO-D2", "D2", 1, -1, 5.0, 0.0, 0.0, 0.0, 0.0),
        (1, "DSO-D1", "D1", 1, -1, 1.0, 1.0, 80.0, 1.0, 80.0),
    ]


def test_who_acts_last_does_not_matter() -> None:
    assert conflicts(trades(AWARDS[::-1])).equals(conflicts(trades(AWARDS)))


def test_one_operator_buying_both_ways_does_not_undo_itself() -> None:
    both = trades(
        [(0, "dso_market", "D1", 1, "a.up", 1, 4.0, 50.0), (0, "dso_market", "D1", 1, "a.down", -1, 4.0, 5.0)]
    )
    assert conflicts(both).undone_at_node_mwh.tolist() == [0.0, 0.0]
    assert (units(both).round_trips.tolist(), units(both).round_trip_mwh.tolist()) == ([1], [2.0])


def test_equal_amounts_are_undone_whole_and_may_pay() -> None:
    """Bought up at 10, down at 30: both operators together have gained 20 EUR/MWh."""
    tie = trades(
        [
            (0, "dso_market", "D1", 1, "a.up", 1, 4.0, 10.0),
            (0, "tso_market", "D1", 1, "a.down", -1, 4.0, 30.0),
        ]
    )
    assert conflicts(tie)[["undone_on_unit_mwh", "undone_on_unit_eur"]].values.tolist() == [[2.0, -40.0]]


def test_three_operators_are_taken_pair_by_pair() -> None:
    """A buys 3 up, B 2 down, C 4 down: A and B undo 2, A and C 3, B and C nothing."""
    rows = [("A", 1, 3.0, 60.0), ("B", -1, 2.0, -20.0), ("C", -1, 4.0, 0.0)]
    frame = pd.DataFrame(rows, columns=["operator", "direction", "mwh", "eur"])
    found = undone(frame.assign(isp=0, system="D1", node=1), NODE).set_index("operator")
    assert found.undone_mwh.to_dict() == {"A": 5.0, "B": 2.0, "C": 3.0}
    assert found.undone_eur.to_dict() == {"A": 2 * (20 - 10) + 3 * 20, "B": 2 * (20 - 10), "C": 3 * 20}


def test_what_units_sell_and_are_paid() -> None:
    """Unit a: 4 MW to the DSO at 50, 2 MW down for which it is paid 10; 4 MW to the TSO for 280 EUR/h."""
    found = units(trades(AWARDS)).set_index("unit")
    assert found.loc[["a"], ["local_mwh", "mfrr_mwh", "afrr_mwh"]].values.tolist() == [[3.0, 3.5, 0.0]]
    assert found.loc[["a"], ["local_revenue_eur", "mfrr_revenue_eur"]].values.tolist() == [[110.0, 140.0]]
    assert found.loc["c", "mfrr_revenue_eur"] == 0.0  # it pays 28 EUR/MWh: no revenue
    assert found.loc[["g"], ["mfrr_revenue_eur", "afrr_revenue_eur"]].values.tolist() == [[280.0, 100.0]]
    assert found.round_trips.to_dict() == {"a": 2, "b": 0, "c": 0, "d": 0, "e": 0, "g": 0}
    assert found.loc["a", "round_trip_mwh"] == 1.5 + 1.0


def test_key_figures_by_hand() -> None:
    found = conflict_kpis(conflicts(trades(AWARDS)), units(trades(AWARDS)))
    assert tuple(found) == KEYS
    revenue = 110.0 + 140.0 + 180.0 + 450.0 + 280.0 + 100.0  # a (two services), b, e, g (two services)
    expected = {
        "bought_by_dsos_mwh": 11.0,
        "bought_by_dsos_isps": 2,
        "conflict_isps": 2,
        "conflict_undone_at_node_mwh": 5.0,
        "conflict_undone_at_node_pct": 100.0 * 5.0 / 11.0,
        "conflict_undone_at_node_eur": 204.0,
        "conflict_undone_on_unit_mwh": 2.5,
        "conflict_undone_on_unit_pct": 100.0 * 2.5 / 11.0,
        "conflict_undone_on_unit_eur": 125.0,
        "round_trips": 2,
        "round_trip_mwh": 2.5,
        "units_sold": 6,
        "stacking_units": 2,
        "stacking_revenue_pct": 100.0 * (110.0 + 140.0 + 280.0 + 100.0) / revenue,
    }
    assert found == pytest.approx(expected)


def test_nothing_bought_gives_nothing_and_no_share() -> None:
    nothing = trades_of(activations(AWARDS)[:0], buyer_of_market(SCHEME), HALF_HOUR)
    assert (len(conflicts(nothing)), len(units(nothing)), len(undone(nothing, UNIT))) == (0, 0, 0)
    found = conflict_kpis(conflicts(nothing), units(nothing))
    assert found["conflict_undone_at_node_pct"] is None
    assert found["stacking_revenue_pct"] is None
    assert (found["bought_by_dsos_mwh"], found["conflict_isps"], found["units_sold"]) == (0.0, 0, 0)


def _run(folder: Path, awards: list[Award], isps: int = 48) -> Path:
    record = Recorder(folder, Calendar.of_days("2016-04-18", 1, 30, "Europe/Brussels"))
    for isp in range(isps):
        record("system", {**dict.fromkeys(TABLES["system"], 0.0), "isp": isp})
    for award in awards:
        record(
            "activations",
            {**dict(zip(COLUMNS, award, strict=True)), "provider": "A01", "purpose": "congestion"},
        )
    record.close()
    return folder


@pytest.mark.parametrize("per_group", [1, 5, 100])
def test_tables_are_the_same_however_rows_lie_in_groups(
    tmp_path: Path, per_group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem_sim.sim.output.recorder.ROWS_PER_GROUP", per_group)
    folder = _run(tmp_path / "run", AWARDS)
    assert pq.ParquetFile(folder / "activations.parquet").num_row_groups >= len(AWARDS) // per_group
    write_conflicts(folder, SCHEME, HALF_HOUR)
    found, sold = pd.read_parquet(folder / CONFLICTS), pd.read_parquet(folder / UNITS)
    assert found.drop(columns="time").equals(conflicts(trades(AWARDS)))
    midnight = pd.Timestamp("2016-04-18", tz="Europe/Brussels")
    assert found.time.tolist() == [midnight, midnight, midnight + pd.Timedelta(minutes=30)]
    assert sold.equals(units(trades(AWARDS)))


def test_a_run_without_awards_has_empty_tables(tmp_path: Path) -> None:
    write_conflicts(_run(tmp_path / "run", []), SCHEME, HALF_HOUR)
    found, sold = pd.read_parquet(tmp_path / "run" / CONFLICTS), pd.read_parquet(tmp_path / "run" / UNITS)
    assert (len(found), len(sold)) == (0, 0)
    assert found.columns.tolist() == CONFLICT_SCHEMA.names


@pytest.fixture
def drawn(tmp_path: Path) -> tuple[RunData, pd.DataFrame]:
    folder = _run(tmp_path / "run", AWARDS)
    write_conflicts(folder, SCHEME, HALF_HOUR)
    return read_run(folder, "Europe/Brussels", "by hand"), pd.read_parquet(folder / CONFLICTS)


def test_the_figure_shows_hours_of_the_local_day(drawn: tuple[RunData, pd.DataFrame]) -> None:
    hourly = by_hour(*drawn)  # both half-hours lie in the first hour of the local day
    assert hourly.loc[[(1, 0)]].values.tolist() == [[5.0, 4.0, 1.5]]
    assert hourly.loc[[(-1, 0)]].values.tolist() == [[6.0, 1.0, 1.0]]
    assert hourly.to_numpy().sum() == 18.5
    with house_style():
        energy, share = conflict_figure(*drawn).axes
    bars = [bar for bar in energy.patches if isinstance(bar, Rectangle)]
    heights = [bar.get_height() for bar in bars if bar.get_height()]
    assert heights == [5.0, -6.0, 4.0, -1.0, 1.5, -1.0]
    pct = [step.get_data()[0][0] for step in share.patches if isinstance(step, StepPatch)]
    assert pct == pytest.approx([100.0 * 5.0 / 11.0, 100.0 * 2.5 / 11.0])
    assert share.get_xlabel() == "Local time of day, Europe/Brussels (hours)"
    assert (energy.get_ylabel(), share.get_ylabel()) == ("Energy (MWh per day)", "Share (%)")


def test_what_dsos_leave_to_the_tso() -> None:
    """10 MW on offer of which 8 are left after purchases and 5 after the check; and 2 MW left whole."""
    rows = [
        (0, "D1", "forward_bids", 6.0, 4.0, 5.0, 3.0),
        (0, "D1", "prequalify", 5.0, 3.0, 4.0, 1.0),
        (0, "D2", "forward_bids", 2.0, 0.0, 2.0, 0.0),
    ]
    columns = [
        "isp",
        "system",
        "market",
        "offered_up_mw",
        "offered_down_mw",
        "allowed_up_mw",
        "allowed_down_mw",
    ]
    frame = pd.DataFrame(rows, columns=columns)
    found = left_to_tso(frame, HALF_HOUR)
    assert found == pytest.approx({"left_to_tso_mwh": 3.5, "left_to_tso_pct": 100.0 * 7.0 / 12.0})
    assert left_to_tso(frame[:0], HALF_HOUR) == {"left_to_tso_mwh": None, "left_to_tso_pct": None}
