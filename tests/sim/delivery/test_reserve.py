"""The automatic reserve inside the ISP, in a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from tandem_sim.agents.services.afrr import AfrrSettings
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.settlement.payments import FOR_ENERGY
from tandem_sim.sim.delivery.reserve import Reserve
from tests.sim.conftest import HALF_HOURLY, hashes, table

Runs = Callable[..., Path]
ON = {"enabled": True, "cycle_s": 10}
DAY: dict[str, Any] = {"scheme": "multilevel-03", **HALF_HOURLY}


def test_the_reserve_closes_most_of_what_the_market_could_not_foresee(small_run: Runs) -> None:
    with_it = table(small_run(**DAY, reserve=ON), "system")
    without = table(small_run(**DAY), "system")
    assert with_it.imbalance_after_mw.abs().mean() < 0.5 * without.imbalance_after_mw.abs().mean()
    reserve = table(small_run(**DAY, reserve=ON), "reserve")
    assert len(reserve) == 48
    assert (reserve.error_mw < reserve.error_without_mw).mean() > 0.9
    assert (reserve.outside_band_mw == 0.0).mean() > 0.9


def test_what_it_delivers_is_booked_ordered_and_paid_once(small_run: Runs) -> None:
    run = small_run(**DAY, reserve=ON)
    activations, orders = table(run, "activations"), table(run, "bids")
    reserve = table(run, "reserve")
    mine = activations[activations.market == "afrr"]
    net = (mine.direction * mine.quantity_mw).groupby(mine.isp).sum().reindex(range(48), fill_value=0.0)
    np.testing.assert_allclose(net, reserve.up_mw - reserve.down_mw, atol=1e-3)
    sold = activations.groupby(["isp", "bid_id"]).quantity_mw.sum()
    offered = orders.set_index(["isp", "bid_id"]).quantity_mw
    assert (sold <= offered.loc[sold.index] + 1e-9).all()
    assert {"T", "D1"} == set(mine.system)
    settlement = table(run, "settlement")
    owed = (activations.direction * activations.quantity_mw * activations.price_eur_per_mwh).sum() * 0.5
    assert settlement[settlement.kind.isin(FOR_ENERGY)].amount_eur.sum() == pytest.approx(owed, abs=1e-6)


def test_five_minute_volumes_add_up_to_what_was_booked_and_delivered(small_run: Runs) -> None:
    run = small_run(**DAY, reserve=ON)
    volumes, reserve = table(run, "reserve_volumes"), table(run, "reserve")
    assert set(volumes.start_s) == {0, 300, 600, 900, 1200, 1500}
    assert not volumes.duplicated(["isp", "provider", "direction", "start_s"]).any()
    net = (
        (volumes.direction * volumes.delivered_mwh)
        .groupby(volumes.isp)
        .sum()
        .reindex(range(48), fill_value=0.0)
    )
    np.testing.assert_allclose(net, 0.5 * (reserve.up_mw - reserve.down_mw), atol=1e-6)
    acts = table(run, "activations").query("market == 'afrr'")
    booked = acts.groupby(["isp", "provider", "direction"]).quantity_mw.sum() * 0.5
    compared = volumes.groupby(["isp", "provider", "direction"]).delivered_mwh.sum()
    np.testing.assert_allclose(compared.reindex(booked.index), booked, atol=1e-6)
    assert volumes.within_band.all()  # every set-point arrives, and all that is offered can be delivered
    lossy = table(small_run(**DAY, reserve={**ON, "setpoint_loss": 0.9}), "reserve_volumes")
    assert not lossy.within_band.all()


def test_steps_change_what_is_sent_and_a_delay_what_is_delivered(small_run: Runs) -> None:
    """Assets follow at the ramps of their bids, whatever the steps of set-points; a delay costs control."""
    plain, stepped = small_run(**DAY, reserve=ON), small_run(**DAY, reserve={**ON, "step_mw": 1.0})
    alike = ["error_mw", "up_mw", "down_mw", "outside_band_mw"]
    assert (table(stepped, "reserve")[alike] - table(plain, "reserve")[alike]).abs().max().max() < 1e-6
    delayed = small_run(**DAY, reserve={**ON, "delay_s": 60})
    assert table(delayed, "reserve").error_mw.mean() > table(plain, "reserve").error_mw.mean()


def test_dsos_stop_what_hurts_and_validation_leaves_them_little_to_stop(small_run: Runs) -> None:
    blind = table(small_run(**DAY | {"scheme": "central-01"}, reserve=ON), "reserve")
    validated = table(small_run(**DAY, reserve=ON), "reserve")
    assert blind.terminated_bids.sum() > 5 * validated.terminated_bids.sum()
    free = small_run(**DAY | {"scheme": "central-01"}, reserve={**ON, "termination": False})
    assert table(free, "reserve").terminated_bids.sum() == 0

    def broken(run: Path) -> int:
        grid = table(run, "grid")
        return int((grid[grid.system == "D1"].congested_lines > 0).sum())

    assert broken(free) >= broken(small_run(**DAY | {"scheme": "central-01"}, reserve=ON))


def test_areas_without_access_stay_out_of_it(small_run: Runs) -> None:
    activations = table(small_run(**DAY | {"scheme": "fragmented"}, reserve=ON), "activations")
    assert set(activations[activations.market == "afrr"].system) == {"T"}


def test_dual_pricing_never_makes_an_imbalance_cheaper_than_its_counterpart(small_run: Runs) -> None:
    run = small_run(**DAY, reserve=ON, imbalance={"rule": "dual"})
    system, reserve = table(run, "system"), table(run, "reserve")
    spread = system.imbalance_price_short_eur_per_mwh - system.imbalance_price_long_eur_per_mwh
    two = (reserve.regulation_state == 2).to_numpy()
    assert set(reserve.regulation_state) <= {-1, 0, 1, 2}
    assert two.any()
    assert (spread[two] > 0).all()
    assert (spread[~two].abs() < 1e-9).all()


def test_noise_inside_the_isp_is_seeded(small_run: Runs) -> None:
    first = small_run(label="one", **DAY, reserve=ON)
    assert hashes(first) == hashes(small_run(label="two", **DAY, reserve=ON))
    other = small_run(**DAY, reserve=ON, seed=8)
    assert hashes(first)["reserve.parquet"] != hashes(other)["reserve.parquet"]


def test_reserve_is_paid_as_bid_or_at_the_price_of_the_last_bid_of_the_isp() -> None:
    """Up 2 MW at 40 and 1 MW at 70 delivered, 9 MW at 90 not; down 3 MW at 20 delivered: by hand, EUR/h."""
    t = Bids.of(["u1", "d1"], ["G", "G"], [0, 0], [1, -1], [2.0, 5.0], [40.0, 20.0])
    d = Bids.of(["u2", "u3"], ["A", "A"], [1, 1], [1, 1], [4.0, 9.0], [70.0, 90.0])
    books = {"T": (t, t.quantity_mw), "D1": (d, d.quantity_mw)}
    mean = {"T": np.array([2.0, 3.0]), "D1": np.array([1.0, 0.0])}
    settings = AfrrSettings(cycle_s=4, full_activation_s=300.0, gain=0.2, integral_s=100.0)
    for pricing, expected in (
        ("pay-as-bid", {"T": [80.0, -60.0], "D1": [70.0, 0.0]}),
        ("pay-as-cleared", {"T": [140.0, -60.0], "D1": [70.0, 0.0]}),
    ):
        reserve = Reserve(
            settings=settings, sigma_mw=0.0, termination=False, seed=0, pricing=cast(Any, pricing)
        )
        sales = reserve.sales(books, mean)
        assert {system: sale.paid_eur_per_h.tolist() for system, sale in sales.items()} == expected
        assert all((sale.purposes.balancing_mw == sale.award_mw).all() for sale in sales.values())
