"""Statements about equal schemes: each on random cases, its counterexamples by hand, and the page."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from tandem_sim.experiments.studies.equal_schemes import study as equal_schemes
from tandem_sim.experiments.studies.equal_schemes.checks import COLUMNS, FAMILIES, row_of
from tandem_sim.experiments.studies.equal_schemes.examples import Example
from tandem_sim.experiments.studies.equal_schemes.page import page
from tandem_sim.experiments.studies.equal_schemes.statements import STATEMENTS, EqualityStatement
from tandem_sim.experiments.studies.equal_schemes.trials import EXACT, NARROWED, CaseTrial

DOCS = Path(__file__).resolve().parents[4] / "docs"
CASES = 20
"""Small cases that are cleared again: ten recipes, twice."""
SWAPS = {
    "exact-aggregation": (EXACT, "aggregation"),
    "central-03": ("common", "central-03-relaxed"),
    "integrated": ("integrated", "central-01"),
    "base-flow": ("shared-balancing", "multilevel-01"),
    "relaxed": ("central-03-relaxed", "central-02"),
    "no-limit-in-the-way": ("common", "fragmented"),
    "nothing-to-correct": ("multilevel-02", "fragmented"),
    "branches-only": ("multilevel-04", "multilevel-01"),
    "envelopes": ("central-03-relaxed", "central-03"),
    "hybrid": (NARROWED, "central-02"),
    "accepted-at-once": ("hybrid", "fragmented"),
    "tso-first": ("multilevel-05", "fragmented"),
    "idle-local-markets": ("multilevel-03", "multilevel-05"),
    "tso-stays-out": ("multilevel-06", "central-02"),
}
"""A scheme of each statement, and another one that its check has to find out."""
EACH = pytest.mark.parametrize("statement", STATEMENTS, ids=[s.name for s in STATEMENTS])
EXAMPLES = {make.__name__: make for s in STATEMENTS for make in s.examples}


@cache
def _trial(number: int) -> CaseTrial:
    return FAMILIES["small"](number)


@cache
def _recorded() -> pd.DataFrame:
    return pd.read_csv(DOCS / equal_schemes.RESULTS)


@EACH
def test_a_statement_holds_wherever_its_condition_is_met(statement: EqualityStatement) -> None:
    rows = [row_of(statement, "small", k, _trial(k)) for k in range(CASES)]
    found = pd.DataFrame(rows, columns=COLUMNS)
    assert found[found.met].same.all(), found[found.met & ~found.same]
    assert found.telling.any()
    known = _recorded()
    known = known[(known.statement == statement.name) & (known.family == "small")].head(CASES)
    pd.testing.assert_frame_equal(found, known.reset_index(drop=True), atol=1e-3)


@EACH
def test_a_check_finds_out_another_scheme(statement: EqualityStatement) -> None:
    name, other = SWAPS[statement.name]
    met = [_trial(k) for k in range(CASES) if statement.meets(_trial(k))]
    wrong = (CaseTrial(each.case, each.pricing, {**each.found, name: each[other]}) for each in met)
    assert not all(statement.agrees(each) for each in wrong)


@pytest.mark.parametrize("make", EXAMPLES.values(), ids=EXAMPLES)
def test_an_example_is_as_worked_out_by_hand(make: Callable[[], Example]) -> None:
    example = make()
    trial = CaseTrial(example.case, example.pricing)
    for name, expected in example.costs.items():
        outcome = trial[name]
        paid = sum(outcome.paid_eur_per_h.values())
        found = outcome.cost_eur_per_h if example.pricing == "pay-as-bid" else paid
        assert found == pytest.approx(expected, abs=1e-6), name
        assert outcome.unserved_imbalance_mw == pytest.approx((example.unserved or {}).get(name, 0.0)), name
        assert outcome.linear.lines + outcome.linear.buses == (example.broken or {}).get(name, 0), name
    assert len(set(example.costs.values())) > 1


def test_the_page_is_that_of_the_statements_and_the_record() -> None:
    assert page(_recorded()) == (DOCS / equal_schemes.PAGE).read_text(encoding="utf-8")
    assert _recorded()[_recorded().met].same.all()


def test_every_statement_is_checked_and_told_apart() -> None:
    assert list(SWAPS) == [s.name for s in STATEMENTS]
    titles = [make().title for make in EXAMPLES.values()]
    assert len(set(titles)) == len(titles)
    for family, drawn in (("small", 200), ("ALEXANDER", 40)):
        count = _recorded()[_recorded().family == family].groupby("statement").size()
        assert (count.to_numpy() == drawn).all()


def test_a_statement_that_is_wrong_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "tandem_sim.experiments.studies.equal_schemes.statements.EqualityStatement.agrees", lambda *_: False
    )
    quick = dict.fromkeys(FAMILIES, FAMILIES["small"])
    monkeypatch.setattr("tandem_sim.experiments.studies.equal_schemes.checks.FAMILIES", quick)
    equal_schemes.main(tmp_path, small=1, alexander=1)
    assert "cases against a statement" in capsys.readouterr().out
    assert len(pd.read_csv(tmp_path / equal_schemes.RESULTS)) == 2 * len(STATEMENTS)
    assert (tmp_path / equal_schemes.PAGE).read_text(encoding="utf-8").startswith("# Which schemes")
