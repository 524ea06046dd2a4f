"""Names of generators that a scenario leaves out."""

from __future__ import annotations

from tandem_sim.experiments.scenario_tools.left_out import left_out_names
from tests.sim.conftest import small_scenario


def test_generators_left_out_are_named_up_to_three() -> None:
    """case14 of MATPOWER: the slack at bus 1, and generators at 2, 3, 6 and 8 (from 0 here)."""
    assert left_out_names(small_scenario(), None) == {
        ("T", "gen"): "gen 0 at bus 1, gen 1 at bus 2, gen 2 at bus 5, ..."
    }


def test_an_element_that_follows_a_profile_is_not_left_out() -> None:
    transmission = small_scenario().model_dump(mode="json")["transmission"]
    transmission["injections"] = [{"element": f"gen {k}", "profile": "PV1"} for k in (0, 2)]
    found = left_out_names(small_scenario(transmission=transmission), None)
    assert found == {("T", "gen"): "gen 1 at bus 2, gen 3 at bus 7"}
