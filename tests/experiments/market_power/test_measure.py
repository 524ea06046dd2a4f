"""Market power on small frames whose answers are worked by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tandem_sim.experiments.market_power.collusion import answer_to_deviation, profit_gain
from tandem_sim.experiments.market_power.measure import power_by_isp, power_of
from tandem_sim.experiments.market_power.payers import (
    KINDS,
    consumer_cost,
    other_receipts_eur,
    procurement_eur,
)
from tandem_sim.experiments.market_power.sellers import by_isp, convergence, seller_figures, with_asked
from tandem_sim.experiments.market_power.structure import (
    herfindahl,
    markets_of,
    pivotal,
    residual_supply,
    structure,
)
from tandem_sim.experiments.results.statistics import difference, flat, over_seeds
from tandem_sim.grids.errors import InputError
from tandem_sim.markets.schemes import SCHEMES

SELLERS = [
    "isp", "system", "provider", "direction", "available_mw", "offered_mw", "sold_mw", "price_eur_per_mwh",
    "cost_eur_per_mwh", "received_eur_per_h", "cost_eur_per_h",
]  # fmt: skip
AWARDS = ["isp", "market", "system", "provider", "direction", "quantity_mw", "price_eur_per_mwh"]
PAYMENTS = ["payer", "payee", "kind", "amount_eur"]


def sellers(*rows: tuple[Any, ...]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=SELLERS)
    start = pd.Timestamp("2016-04-18T00:00", tz="Europe/Brussels").tz_convert("UTC")
    frame["offered_cost_eur_per_mwh"] = frame.cost_eur_per_mwh
    frame.insert(0, "time", start + pd.to_timedelta(frame.isp * 15, unit="min"))
    return frame


def awards(*rows: tuple[Any, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=AWARDS)


def able(system: str, provider: str, mw: float, direction: int = 1, isp: int = 0) -> tuple[Any, ...]:
    return isp, system, provider, direction, mw, mw, 0.0, 50.0, 50.0, 0.0, 0.0


OWNED = sellers(able("D1", "A01", 10.0), able("D1", "A02", 6.0), able("D1", "A03", 4.0), able("T", "G1", 5.0))
BOUGHT = awards(
    (0, "dso_market", "D1", "A01", 1, 8.0, 60.0),
    (0, "tso_market", "T", "G1", 1, 5.0, 70.0),
    (0, "tso_market", "D1", "A02", 1, 6.0, 60.0),
    (0, "afrr", "D1", "A03", 1, 1.0, 60.0),  # the TSO's too
)


def _rsi(scheme: str, market: str, bought: pd.DataFrame = BOUGHT) -> dict[str, float]:
    (found,) = [m for m in markets_of(SCHEMES[scheme], ["D1"]) if m.name == market]
    rows = residual_supply(found, OWNED, bought)
    return {str(k): float(v) for k, v in rows.set_index("provider").rsi.items()}


def test_residual_supply_of_a_local_market_is_what_others_in_the_area_could_offer() -> None:
    assert _rsi("multilevel-03", "D1") == {"A01": 10 / 8, "A02": 14 / 8, "A03": 16 / 8}


def test_what_an_earlier_market_has_bought_is_not_offered_again() -> None:
    """A01 has 2 MW left of 10: 17 MW are on offer to the TSO, who buys 12."""
    assert _rsi("multilevel-03", "T") == {"A01": 15 / 12, "A02": 11 / 12, "A03": 13 / 12, "G1": 12 / 12}
    late = _rsi("multilevel-05", "D1")  # here the TSO came first, and took 6 MW of A02
    assert late == {"A01": 4 / 8, "A02": 14 / 8, "A03": 10 / 8}


def test_a_seller_is_pivotal_if_the_others_could_not_have_served_what_was_bought() -> None:
    (market,) = [m for m in markets_of(SCHEMES["multilevel-03"], ["D1"]) if m.name == "T"]
    rows = residual_supply(market, OWNED, BOUGHT)
    assert rows[pivotal(rows)].provider.tolist() == ["A02"]  # G1 at exactly 1 is not
    figures = structure(rows, 0.25)["up"]
    assert (figures["isps_with_purchases"], figures["pivotal_isps"]) == (1, 1)
    assert figures["rsi_min"] == figures["rsi_mean"] == pytest.approx(11 / 12)
    assert figures["bought_mwh"] == pytest.approx(12 * 0.25)
    assert figures["hhi_able"] == pytest.approx((2**2 + 6**2 + 4**2 + 5**2) / 17**2 * 1e4)
    assert figures["hhi_sold"] == pytest.approx((6**2 + 1**2 + 5**2) / 12**2 * 1e4)
    assert structure(rows, 0.25)["down"]["rsi_mean"] is None


def test_hardly_any_purchases_do_not_make_the_mean() -> None:
    """RSI 2 where 5 MW are bought, 1000 where 0.01 MW are: 10 MW of the other seller over what is bought."""
    columns = ["isp", "direction", "provider", "available_mw", "sold_mw", "bought_mw", "rsi"]
    rows = pd.DataFrame(
        [(k, 1, name, 10.0, mw / 2, mw, 10.0 / mw) for k, mw in ((0, 5.0), (1, 0.01)) for name in "AB"],
        columns=columns,
    )
    assert structure(rows, 1.0)["up"]["rsi_mean"] == pytest.approx(20.0 / 5.01)


@pytest.mark.parametrize(
    ("scheme", "names", "systems"),
    [
        ("multilevel-03", ["T", "D1", "D2"], ("T", "D1", "D2")),
        ("multilevel-06", ["T", "D1", "D2"], ("T", "D1", "D2")),
        ("fragmented", ["T", "D1", "D2"], ("T",)),
        ("shared-balancing", ["T", "D1", "D2"], ("T",)),
        ("central-02", ["T"], ("T", "D1", "D2")),
        ("aggregation", ["T"], ("T", "D1", "D2")),
        ("hybrid", ["T"], ("T", "D1", "D2")),
        ("integrated", ["T"], ("T", "D1", "D2")),
        ("common", ["T"], ("T", "D1", "D2")),
    ],
)
def test_perimeters_follow_the_scheme(scheme: str, names: list[str], systems: tuple[str, ...]) -> None:
    found = markets_of(SCHEMES[scheme], ["D1", "D2"])
    assert [market.name for market in found] == names
    assert found[0].systems == systems


@pytest.mark.parametrize("name", SCHEMES)
def test_everything_sold_belongs_to_one_market(name: str) -> None:
    sold_in = pd.Series([block.name for block in SCHEMES[name].blocks] + ["afrr", "substitution"])
    markets = markets_of(SCHEMES[name], ["D1"])
    owners = pd.concat([market.buys_in(sold_in).astype(int) for market in markets], axis=1).sum(axis=1)
    assert owners.tolist() == [1] * len(sold_in)
    assert not any(market.buys_in(pd.Series(market.earlier)).any() for market in markets if market.earlier)


def test_concentration() -> None:
    assert herfindahl(pd.Series([7.0])) == 1e4
    assert herfindahl(pd.Series([3.0, 3.0, 0.0])) == 5e3
    assert herfindahl(pd.Series([10.0, 6.0, 4.0])) == pytest.approx(2500 + 900 + 400)
    assert np.isnan(herfindahl(pd.Series([0.0])))


STRATEGIC = sellers(
    # able 4, offered 3, sold 2 MW up at 100, true cost 80; and 1 MW down for 10 that is worth 25
    (0, "D1", "A01", 1, 4.0, 3.0, 2.0, 100.0, 80.0, 200.0, 160.0),
    (0, "D1", "A01", -1, 2.0, 2.0, 1.0, 10.0, 25.0, -10.0, -25.0),
    # given away: no Lerner index
    (1, "D1", "A01", 1, 1.0, 1.0, 1.0, 0.0, -5.0, 0.0, -5.0),
    (2, "D1", "A01", 1, 1.0, 0.0, 0.0, np.nan, 70.0, 0.0, 0.0),
)  # fmt: skip
STRATEGIC_AWARDS = awards(
    (0, "dso_market", "D1", "A01", 1, 1.5, 90.0),
    (0, "tso_market", "D1", "A01", 1, 0.5, 110.0),
    (0, "tso_market", "D1", "A01", -1, 1.0, 10.0),
    (1, "tso_market", "D1", "A01", 1, 1.0, 0.0),
)


def test_profit_markups_and_what_is_withheld() -> None:
    rows = with_asked(STRATEGIC, STRATEGIC_AWARDS)
    assert rows.asked_eur_per_h.tolist() == [190.0, -10.0, 0.0, 0.0]
    found = seller_figures(rows, 0.25)
    assert found["profit_eur"] == pytest.approx((40 + 15 + 5) * 0.25)
    assert found["withheld_mwh"] == pytest.approx((1 + 0 + 0 + 1) * 0.25)
    # bid less cost of what was sold, up and down: 190 - 160, -10 + 25, 0 + 5, over 4 MW
    assert found["markup_sold_eur_per_mwh"] == pytest.approx((30 + 15 + 5) / 4)
    assert found["markup_offered_eur_per_mwh"] == pytest.approx((3 * 20 + 2 * 15 + 1 * 5) / 6)
    assert found["lerner_up"] == pytest.approx((100 - 80) / 100)
    assert found["lerner_left_out"] == 1
    isps = by_isp(rows, 0.25)
    assert isps.profit_eur.tolist() == pytest.approx([55 * 0.25, 5 * 0.25, 0.0])
    assert isps.markup_offered_eur_per_mwh.tolist() == pytest.approx([90 / 5, 5.0, np.nan], nan_ok=True)


def test_a_seller_that_sells_nothing_has_no_markup() -> None:
    found = seller_figures(with_asked(STRATEGIC.tail(1), STRATEGIC_AWARDS), 0.25)
    none = "markup_sold_eur_per_mwh", "markup_offered_eur_per_mwh", "lerner_up"
    assert [found[key] for key in none] == [None] * 3


def test_convergence_by_day_and_quarter() -> None:
    """Two days of two ISPs an hour apart would do; here eight ISPs of six hours: mark-ups 0, 20, then 10."""
    marks = [0.0, 20.0, 4.0, 6.0, 10.0, 10.0, 12.0, 12.0]
    rows = sellers(*((k, "T", "G1", 1, 1.0, 1.0, 0.0, 30.0 + m, 30.0, 0.0, 0.0) for k, m in enumerate(marks)))
    rows["time"] = rows.time.iloc[0] + pd.to_timedelta(rows.isp * 6, unit="h")
    found = convergence(rows, "Europe/Brussels")
    assert list(found["markup_variance_by_day"]) == ["2016-04-18", "2016-04-19"]
    assert list(found["markup_variance_by_day"].values()) == pytest.approx([np.var(marks[:4]), 1.0])
    assert found["markup_change_last_quarters_eur_per_mwh"] == pytest.approx(2.0)
    assert found["price_variance_first"] == pytest.approx(200.0)
    assert found["price_variance_last"] == 0.0
    assert convergence(rows.assign(offered_mw=0.0), "UTC")["price_variance_first"] is None


SETTLED = pd.DataFrame(
    [
        ("TSO", "A01", "activation", 100.0),
        ("DSO-D1", "A01", "activation", 30.0),
        ("TSO", "G1", "activation", -5.0),  # down bids that pay
        ("TSO", "A01", "capacity", 8.0),
        ("A01", "TSO", "unavailability", 3.0),
        ("DSO-D1", "A02", "reactive", 2.0),
        ("A01", "TSO", "shortfall", 4.0),
        ("TSO", "A01", "imbalance", -6.0),  # a short seller is charged
        ("TSO", "BRP-D1", "imbalance", -50.0),  # operators collect what customers bear
        ("TSO", "BRP-T", "purchase", -7.0),
        ("DSO-D1", "households", "non-firm compensation", 1.0),
        ("A01", "households", "household cost", 60.0),
        ("A01", "A02", "substitution", 9.0),
        ("U1", "U2", "curtailment trade", 2.0),
    ],
    columns=PAYMENTS,
)


def test_consumers_pay_what_everybody_else_gets() -> None:
    found = consumer_cost(SETTLED, ["D1"])
    assert found["total_eur"] == pytest.approx(125 + 8 - 3 + 2 - 4 - 6 + 1)
    assert sum(found["by_kind_eur"].values()) == pytest.approx(found["total_eur"])
    assert sum(found["by_party_eur"].values()) == pytest.approx(found["total_eur"])
    assert list(found["by_kind_eur"]) == list(KINDS)
    assert found["by_party_eur"]["TSO"] == pytest.approx(100 - 5 + 8 - 3 - 4 - 6 - 50 - 7)
    assert found["by_party_eur"]["BRP-D1"] == 50.0
    got = (
        SETTLED.groupby("payee").amount_eur.sum().sub(SETTLED.groupby("payer").amount_eur.sum(), fill_value=0)
    )
    others = got.drop(["TSO", "DSO-D1", "BRP-D1", "BRP-T"])
    assert others.sum() == pytest.approx(found["total_eur"])


def test_procurement_is_activation_by_payer() -> None:
    assert procurement_eur(SETTLED, ["D1", "D2"]) == {"TSO": 95.0, "DSO-D1": 30.0, "DSO-D2": 0.0}
    assert other_receipts_eur(SETTLED)["A01"] == pytest.approx(8 - 3 - 4 - 6 - 9)
    assert other_receipts_eur(SETTLED)["A02"] == pytest.approx(2 + 9)


def test_figures_by_path_and_their_differences() -> None:
    one = {"a": {"b": 3.0, "c": None, "d": 2}, "e": True, "f": {"g": 1.0}}
    two = {"a": {"b": 1.0, "c": 2.0, "d": 2}, "e": True}
    assert flat(one) == {"a.b": 3.0, "a.d": 2.0, "f.g": 1.0}
    assert difference({"a": one["a"], "f": one["f"]}, two) == {
        "a": {"b": 2.0, "c": None, "d": 0},
        "f": {"g": None},
    }
    found = over_seeds([one, {"a": {"b": 5.0}}])
    # 3 and 5: standard error 1, and Student's t with one degree of freedom
    assert found["a.b"] == pytest.approx({"mean": 4.0, "low": 4 - 12.706205, "high": 4 + 12.706205, "n": 2})
    assert found["f.g"] == {"mean": 1.0, "low": None, "high": None, "n": 1}


def test_profit_gain() -> None:
    assert profit_gain(10.0, 10.0, 30.0) == 0.0
    assert profit_gain(25.0, 10.0, 30.0) == pytest.approx(0.75)
    assert profit_gain(0.0, 10.0, 30.0) == pytest.approx(-0.5)
    with pytest.raises(ValueError, match="monopoly"):
        profit_gain(1.0, 3.0, 3.0)


def _series(rivals: Sequence[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Prices of two rivals around a seller that is forced down in period 3."""
    own = np.array([20.0, 20.0, 20.0, 5.0, *[20.0] * (len(rivals) - 4)])
    return np.column_stack([own, np.array(rivals) - 1.0, np.array(rivals) + 1.0])


def test_rivals_that_punish_and_return() -> None:
    found = answer_to_deviation(_series([20, 20, 20, 20, 8, 12, 20, 20]), 0, 3, 3, 1.0)
    assert (found.drop, found.punishes, found.returns_after) == (12.0, True, 3)
    assert found.reward_punishment


def test_rivals_that_shrug_or_never_return() -> None:
    calm = answer_to_deviation(_series([20, 20, 20, 20, 19.5, 20.5, 20, 20]), 0, 3, 3, 1.0)
    assert (calm.punishes, calm.returns_after, calm.reward_punishment) == (False, None, False)
    war = answer_to_deviation(_series([20, 20, 20, 20, 8, 20, 20, 8]), 0, 3, 3, 1.0)
    assert (war.punishes, war.returns_after, war.reward_punishment) == (True, None, False)


@pytest.mark.parametrize(("deviator", "at", "before"), [(3, 3, 3), (0, 7, 3), (0, 2, 3), (0, 3, 0)])
def test_a_deviation_that_is_none(deviator: int, at: int, before: int) -> None:
    with pytest.raises(ValueError, match="no deviation"):
        answer_to_deviation(_series([20] * 8), deviator, at, before, 1.0)


SCHEDULED = pd.DataFrame(
    {
        "unit": ["G1", "G1"],
        "p_mw": [10.0, 20.0],
        "price_eur_per_mwh": [40.0, 50.0],
        "cost_eur_per_h": [300.0, 700.0],
    }
)


def _folder(
    path: Path,
    table: pd.DataFrame,
    sold: pd.DataFrame,
    seed: int = 1,
    scheme: str = "multilevel-03",
    broken: int = 0,
    world: str = "7f",
) -> Path:
    path.mkdir()
    scenario = {"isp_minutes": 15, "zone": "Europe/Brussels", "distribution": [{"id": "D1"}]}
    kpis = {"violated_isps": broken, "violated_isps_created": 0, "unserved_mwh": 0.0}
    manifest = {"seed": seed, "scheme": scheme, "scenario": scenario, "world": {"id": world}}
    (path / "manifest.json").write_text(json.dumps(manifest))
    (path / "kpis.json").write_text(json.dumps(kpis))
    table.to_parquet(path / "sellers.parquet")
    sold.to_parquet(path / "activations.parquet")
    SETTLED.to_parquet(path / "settlement.parquet")
    SCHEDULED.to_parquet(path / "schedules.parquet")
    return path


def test_the_truth_against_itself_is_zero_everywhere(tmp_path: Path) -> None:
    run = _folder(tmp_path / "run", STRATEGIC, STRATEGIC_AWARDS)
    found = power_of(run, run, run)
    assert set(flat(found["difference"]).values()) == {0.0}
    assert found["inefficiency"]["by_strategy_eur"] == found["inefficiency"]["by_scheme_eur"] == 0.0
    assert (power_by_isp(run, run).profit_above_truthful_eur == 0.0).all()


def test_strategy_and_scheme_waste_separately(tmp_path: Path) -> None:
    run = _folder(tmp_path / "run", STRATEGIC, STRATEGIC_AWARDS, broken=5)
    honest = STRATEGIC.assign(cost_eur_per_h=[100.0, -25.0, -5.0, 0.0])
    truth = _folder(tmp_path / "truth", honest, STRATEGIC_AWARDS, broken=2)
    best = STRATEGIC.assign(cost_eur_per_h=[90.0, -25.0, -5.0, 0.0])
    other = _folder(tmp_path / "common", best, STRATEGIC_AWARDS, scheme="common", broken=1)
    found = power_of(run, truth, other)
    assert found["inefficiency"]["by_strategy_eur"] == pytest.approx(60 * 0.25)
    assert found["inefficiency"]["by_scheme_eur"] == pytest.approx(10 * 0.25)
    assert found["difference"]["safety"]["violated_isps"] == 3
    assert found["inefficiency"]["reference_safety"]["violated_isps"] == 1
    assert found["difference"]["sellers"]["A01"]["profit_eur"] == pytest.approx(-60 * 0.25)
    assert found["as_bid"]["sellers"]["A01"]["pivotal_isps"] == {"T": 2, "D1": 1}  # nobody else is there
    assert power_of(run, truth)["inefficiency"]["by_scheme_eur"] is None
    assert found["as_bid"]["total"]["day_ahead_margin_eur"] == pytest.approx((100.0 + 300.0) * 0.25)
    rows = power_by_isp(run, truth).set_index("isp")
    assert rows.profit_above_truthful_eur.tolist() == pytest.approx([-15.0, 0.0, 0.0])
    assert rows.pivotal.tolist() == [True, True, False]
    assert rows.rsi_min.tolist() == pytest.approx([0.0, 0.0, np.nan], nan_ok=True)


def test_runs_that_do_not_belong_together(tmp_path: Path) -> None:
    run = _folder(tmp_path / "run", STRATEGIC, STRATEGIC_AWARDS)
    with pytest.raises(InputError, match="seed: is 1, and 2"):
        power_of(run, _folder(tmp_path / "seed", STRATEGIC, STRATEGIC_AWARDS, seed=2))
    with pytest.raises(InputError, match="world: is 7f, and 80"):
        power_of(run, _folder(tmp_path / "world", STRATEGIC, STRATEGIC_AWARDS, world="80"))
    other = _folder(tmp_path / "scheme", STRATEGIC, STRATEGIC_AWARDS, scheme="common")
    with pytest.raises(InputError, match="scheme: is multilevel-03, and common"):
        power_of(run, other)
    (other / "sellers.parquet").unlink()
    with pytest.raises(InputError, match=r"sellers\.parquet: is missing in this run"):
        power_of(run, run, other)
