"""The example of a learner: figures of fixed policies; and that one of another library runs and pays."""

from __future__ import annotations

import numpy as np
import pytest

from tandem_sim.experiments.environments.sellers_env import TRUTHFUL_ACTION
from tandem_sim.experiments.runs.bundled import case_path
from tandem_sim.experiments.studies.bidding import train_learner
from tandem_sim.markets.cases.case import Case, read_case

CASE_A = case_path("alexander-a")


@pytest.fixture(scope="module")
def case() -> Case:
    return read_case(CASE_A)


def test_the_truth_earns_nothing_as_bid_and_something_as_cleared(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_learner, "UNSEEN", (5,))
    truth = train_learner.fixed(TRUTHFUL_ACTION)
    bid, action = train_learner.evaluated(train_learner.env_of(case, "pay-as-bid"), truth)
    cleared, _ = train_learner.evaluated(train_learner.env_of(case, "pay-as-cleared"), truth)
    assert bid == pytest.approx(0.0, abs=1e-9)
    assert cleared > 0.1
    np.testing.assert_allclose(action, TRUTHFUL_ACTION)


def test_a_learner_of_another_library_beats_the_truth(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("stable_baselines3")
    monkeypatch.setattr(train_learner, "UNSEEN", (5,))
    monkeypatch.setattr(train_learner, "MARKUPS", (10.0,))
    found = train_learner.learned(case, "pay-as-bid", steps=960)
    assert found.learner > found.truthful + 0.1
    assert found == train_learner.learned(case, "pay-as-bid", steps=960)
