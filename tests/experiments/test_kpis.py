"""Key figures that are sums over several rows of a table."""

from __future__ import annotations

import pandas as pd
import pytest

from tandem_sim.experiments.kpis import held_back_mwh
from tandem_sim.experiments.scenario import parse_scenario, read_scenario
from tandem_sim.grids.errors import InputError


def test_what_is_held_back_is_counted_once_over_all_rounds() -> None:
    columns = ["isp", "system", "layer", "offered_up_mw", "offered_down_mw", "kept_up_mw", "kept_down_mw"]
    rows = [
        (0, "D1", "forward_bids", 9.0, 0.0, 8.0, 0.0),  # forwarding is no refusal
        (0, "D1", "validate_mol", 8.0, 2.0, 6.0, 2.0),
        (0, "D1", "validate_mol", 6.0, 2.0, 5.0, 1.0),  # the second round narrows further: 4 MW in all
        (1, "D1", "prequalify", 4.0, 0.0, 4.0, 0.0),
    ]
    assert held_back_mwh(pd.DataFrame(rows, columns=columns), 0.25) == pytest.approx(1.0)
    assert held_back_mwh(pd.DataFrame(rows[:1], columns=columns), 0.25) is None


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
    assert dutch.households == read_scenario("reference")[0].households
