"""Where need stays unserved everybody who is short pays what that is worth, also if something was called."""

from __future__ import annotations

from pathlib import Path

import pytest

import tandem_sim as tandem

SCARCE = Path(__file__).with_name("scarcity.yaml")
PENALTY = 10_000.0


@pytest.fixture(scope="module")
def scarce(tmp_path_factory: pytest.TempPathFactory) -> tandem.Run:
    return tandem.run(SCARCE, tmp_path_factory.mktemp("scarce") / "run")


def test_unserved_need_sets_the_price_also_if_something_was_called(scarce: tandem.Run) -> None:
    system, clearings = scarce["system"], scarce["clearings"]
    tso = clearings[clearings.system == "T"].set_index("isp")
    short = tso.index[tso.short_mw > 1e-6]
    assert len(short) >= 12
    assert (system.set_index("isp").activated_up_mw.loc[short] > 0.1).any()  # some, and not enough
    prices = system.set_index("isp").loc[short]
    assert (prices.imbalance_price_short_eur_per_mwh == PENALTY).all()
    assert tso.price_eur_per_mwh.loc[short].to_numpy() == pytest.approx(PENALTY)


def test_who_buys_for_the_short_is_not_left_with_the_bill(scarce: tandem.Run) -> None:
    """As cleared, sellers get the price of scarcity: parties that are short pay no less than that."""
    money = scarce["settlement"]
    kinds = money.groupby("kind").amount_eur.sum()
    assert kinds["activation"] > 1e5
    assert -kinds["imbalance"] >= kinds["activation"]
