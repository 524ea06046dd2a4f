"""Key figures that are sums over several rows of a table."""

from __future__ import annotations

import pandas as pd
import pytest

from tandem_sim.experiments.results.kpis import held_back_mwh, reserve_followed, reserves_apart
from tandem_sim.experiments.runs.scenario import parse_scenario, read_scenario
from tandem_sim.grids.errors import InputError


def test_what_is_held_back_is_counted_once_over_all_rounds() -> None:
    columns = [
        "isp",
        "system",
        "market",
        "offered_up_mw",
        "offered_down_mw",
        "allowed_up_mw",
        "allowed_down_mw",
    ]
    rows = [
        (0, "D1", "forward_bids", 9.0, 0.0, 8.0, 0.0),  # forwarding is no refusal
        (0, "D1", "validate_mol", 8.0, 2.0, 6.0, 2.0),
        (0, "D1", "validate_mol", 6.0, 2.0, 5.0, 1.0),  # the second round narrows further: 4 MW in all
        (1, "D1", "prequalify", 4.0, 0.0, 4.0, 0.0),
    ]
    assert held_back_mwh(pd.DataFrame(rows, columns=columns), 0.25) == pytest.approx(1.0)
    assert held_back_mwh(pd.DataFrame(rows[:1], columns=columns), 0.25) is None
    # 0.1 + 0.2 is 5.6e-17 more than 0.3, which is a rounding error; 1e-6 MW are not.
    offered = [(0, "D1", "prequalify", 0.1 + 0.2, 0.0, 0.3, 0.0)]
    assert held_back_mwh(pd.DataFrame(offered, columns=columns), 0.25) == 0.0
    less = [(0, "D1", "prequalify", 0.3, 0.0, 0.3 - 1e-6, 0.0)]
    assert held_back_mwh(pd.DataFrame(less, columns=columns), 0.25) == pytest.approx(2.5e-7)


def test_afrr_and_mfrr_cost_apart() -> None:
    """In half an hour the TSO pays 100 EUR: aFRR 2 MW * 50 less 1 MW * 20, or 40, replacement 10."""
    awards = [("afrr", 1, 2.0, 50.0), ("afrr", -1, 1.0, 20.0), ("substitution", 1, 0.5, 40.0)]
    awards += [("tso_market", 1, 9.0, 70.0)]  # paid as cleared: its bids' prices do not say what it costs
    paid = [
        ("TSO", "activation", 55.0),
        ("TSO", "afrr", 40.0),
        ("TSO", "make-whole", 5.0),
        ("DSO-D1", "activation", 7.0),
        ("TSO", "imbalance", 900.0),
    ]
    ready = [("TSO", "aFRR", 12.0), ("TSO", "mFRR", 6.0), ("TSO", "aFRR", 4.0), ("DSO-D1", "LFM", 99.0)]
    tables = {
        "activations": pd.DataFrame(
            awards, columns=["market", "direction", "quantity_mw", "price_eur_per_mwh"]
        ),
        "settlement": pd.DataFrame(paid, columns=["payer", "kind", "amount_eur"]),
        "capacity": pd.DataFrame(ready, columns=["operator", "service", "pay_eur_per_h"]),
        "reserve": pd.DataFrame({"isp": [0]}),
    }
    assert reserves_apart(tables, 0.5) == {
        "afrr_energy_cost_eur": 40.0,
        "mfrr_energy_cost_eur": 50.0,
        "afrr_capacity_cost_eur": 8.0,
        "mfrr_capacity_cost_eur": 3.0,
    }
    none = {name: frame[:0] if name in ("reserve", "capacity") else frame for name, frame in tables.items()}
    assert set(reserves_apart(none, 0.5).values()) == {None}


def test_how_well_the_reserve_was_followed() -> None:
    """Of 4 MWh requested 1 is outside the band; of 600 s that set-points stood still, 200 s are short."""
    rows = [
        (2.0, True, 400, 6.0, 6.0),
        (1.0, True, 200, 10.0, 9.9),  # within the band, but less than requested while stable
        (1.0, False, 0, 0.0, 0.0),
    ]
    columns = ["requested_mwh", "within_band", "stable_s", "stable_requested_mw", "stable_delivered_mw"]
    volumes = pd.DataFrame(rows, columns=columns)
    assert reserve_followed(volumes) == {
        "reserve_outside_band_pct": pytest.approx(25.0),
        "reserve_short_when_stable_pct": pytest.approx(100.0 / 3.0),
    }
    assert set(reserve_followed(volumes[:0]).values()) == {None}


def test_a_scenario_may_be_based_on_a_bundled_one() -> None:
    text = "based_on: reference\nname: mine\ndays: 2\nforecast: {mape: 0.05}\n"
    mine, reference = parse_scenario(text, "mine.yaml"), read_scenario("reference")[0]
    assert (mine.name, mine.days, mine.forecast.mape) == ("mine", 2, 0.05)
    assert mine.forecast.persistence == reference.forecast.persistence  # sections are merged
    assert mine.distribution == reference.distribution
    with pytest.raises(InputError, match=r"mine\.yaml.*based_on.*nowhere.*reference"):
        parse_scenario("based_on: nowhere\n", "mine.yaml")


def test_the_dutch_day_is_the_reference_with_the_dutch_rules() -> None:
    dutch = read_scenario("dutch")[0]
    assert (dutch.scheme, dutch.imbalance.rule, dutch.reserve.enabled) == ("hybrid", "dual", True)
    reserve = dutch.reserve  # every 4 s, a minute after the decision, at most 1 MW
    assert (reserve.cycle_s, reserve.delay_s, reserve.step_mw) == (4, 60, 1.0)
    assert dutch.capacity.nomination
    assert dutch.households == read_scenario("reference")[0].households
