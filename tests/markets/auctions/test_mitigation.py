"""Blocks against local market power keep the contract of blocks in every scheme that takes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tandem_sim.grids.errors import InputError
from tandem_sim.markets.cases.clear import open_case
from tandem_sim.markets.cases.options import read_options
from tandem_sim.markets.coordination.block import Repeat
from tandem_sim.markets.games.repeated_market import CaseMarket
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.schemes import Options, build_schemes
from tandem_sim.testing import check_scheme
from tests.markets.hand import book, feeder, system
from tests.markets.small import random_bids, random_case

HELD = build_schemes(Options(mitigation=True, reference_up_eur_per_mwh=60.0, reference_down_eur_per_mwh=30.0))
POOLED = build_schemes(Options(perimeter="pooled"))
WITH_LOCAL = [name for name, scheme in HELD.items() if any(b.name == "mitigate" for b in scheme.blocks)]
WITH_POOL = [name for name, scheme in POOLED.items() if any(b.name == "pooled_market" for b in scheme.blocks)]


def test_who_has_a_local_market() -> None:
    assert WITH_LOCAL == [
        "multilevel-01",
        "multilevel-02",
        "multilevel-02-post",
        "multilevel-03",
        "multilevel-04",
        "multilevel-05",
        "multilevel-06",
        "fragmented",
    ]
    assert [name for name in WITH_LOCAL if name not in ("multilevel-05", "multilevel-06")] == WITH_POOL
    for name in WITH_POOL:
        assert {"area.grid", "area.sold"} <= set(POOLED[name].information_shared())


@pytest.mark.parametrize("name", WITH_LOCAL)
def test_mitigated_schemes_keep_the_contract(name: str) -> None:
    for seed in range(4):
        case = random_case(np.random.default_rng(seed))
        assert not any(isinstance(step, Repeat) for step in HELD[name].steps)
        check_scheme(HELD[name], *open_case(case, HELD[name]))


@pytest.mark.parametrize("name", WITH_POOL)
def test_pooled_schemes_keep_the_contract(name: str) -> None:
    for seed in range(4):
        case = random_case(np.random.default_rng(seed))
        check_scheme(POOLED[name], *open_case(case, POOLED[name]))


def test_a_pool_never_leaves_more_broken_than_dsos_apart() -> None:
    """Whatever each DSO can do alone, all of them can do together; and limits come before money."""
    for seed in range(8):
        rng = np.random.default_rng(seed)
        case = random_case(rng)
        areas = {
            k: replace(a, bids=random_bids(rng, a.network.n_nodes, 4, f"{k}-")) for k, a in case.areas.items()
        }
        case = replace(case, areas=areas)
        left = []
        for schemes in (build_schemes(Options()), POOLED):
            states, ledger = open_case(case, schemes["multilevel-01"])
            check_scheme(schemes["multilevel-01"], states, ledger)
            penalties = [a.local.penalty_eur_per_h for a in states.areas.values() if a.knows("local")]
            left.append(max(penalties) if schemes is POOLED else sum(penalties))
        assert left[1] <= left[0] + 1e-6


def test_options_in_a_case_file() -> None:
    given = {"mitigation": True, "reference_up_eur_per_mwh": 80.0, "reference_down_eur_per_mwh": -20.0}
    options = read_options(given, Path("case.json")).options
    assert (options.mitigation, options.reference_up_eur_per_mwh, options.reference_down_eur_per_mwh) == (
        True,
        80.0,
        -20.0,
    )
    assert read_options({"perimeter": "pooled"}, Path("case.json")).options.perimeter == "pooled"
    with pytest.raises(InputError, match="options: mitigation tests pivotal sellers of one area"):
        read_options({**given, "perimeter": "pooled"}, Path("case.json"))


def test_an_unknown_perimeter_is_refused() -> None:
    with pytest.raises(ValueError, match="perimeter 'wide' is not known"):
        Options(perimeter="wide")  # type: ignore[arg-type]


def test_a_pool_cannot_be_mitigated_area_by_area() -> None:
    with pytest.raises(ValueError, match="cannot be combined with a pooled perimeter"):
        Options(mitigation=True, perimeter="pooled")


def test_the_market_that_mends_afterwards_is_mitigated_too() -> None:
    """The TSO buys 2 MW of consumption behind a full branch; only one seller can take that back."""
    bids = book(("one", 2, 1, 5.0, 520.0), ("cheap", 2, -1, 2.0, 45.0), ("sink", 0, -1, 10.0, 10.0))
    case = system(-2.0, Bids.empty(), D=feeder(bids, 4.0, (0.0, -4.0)))
    paid = []
    for schemes in (
        build_schemes(Options()),
        build_schemes(Options(mitigation=True, reference_up_eur_per_mwh=60.0)),
    ):
        found = CaseMarket(case, schemes["multilevel-02"]).play()
        assert found.sold_mw["D"][0] == pytest.approx(2.0)
        paid.append(float(found.received_eur_per_h["D"][0]))
    assert paid == pytest.approx([2.0 * 520.0, 2.0 * 60.0])
