"""Contract tests: conditions that code of users must fulfil. Each names the condition that is broken.

`check_strategy`, `check_scheme` and `check_block`, `check_baseline`, `check_agent`, `check_device`. A test of
a strategy of your own is one line:

>>> from tandem_sim import strategies
>>> from tandem_sim.testing import check_strategy
>>> check_strategy(lambda seed: strategies()["fixed-markup"]())
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from tandem_sim.agents.devices.contract import check_device as check_device
from tandem_sim.agents.strategies.allowed_code import AllowedCode
from tandem_sim.agents.strategies.strategy import (
    BOOK,
    BaselineStrategy,
    OfferView,
    PublishedBook,
    SellerResult,
    Strategy,
    SupplyStrategy,
    checked,
    declared_inputs,
)
from tandem_sim.markets.coordination.block import TSO, Block, Scheme, Written
from tandem_sim.markets.coordination.driver import apply, systems_of, view_of
from tandem_sim.markets.coordination.gates import GATES
from tandem_sim.markets.coordination.ledger import Ledger
from tandem_sim.markets.coordination.operator_state import Known, OperatorState
from tandem_sim.markets.settlement.baselines import BaselineMethod
from tandem_sim.markets.settlement.day_matching import DayIndex
from tandem_sim.sim.checkpoint import Checkpoints
from tandem_sim.sim.delivery.own_baseline import CheckedBaseline
from tandem_sim.sim.model import FlexibilityModel
from tandem_sim.sim.run import start

OWNERS = ("area.", "tso.", "operator.")


def freeze(value: Any) -> None:
    """Make every array inside `value` read-only, so that a block that changes its input fails.

    >>> entries = {"need": np.zeros(2)}
    >>> freeze(entries)
    >>> entries["need"][0] = 1.0
    Traceback (most recent call last):
    ...
    ValueError: assignment destination is read-only
    """
    if isinstance(value, np.ndarray):
        value.flags.writeable = False
    elif isinstance(value, Mapping):
        for item in value.values():
            freeze(item)
    elif isinstance(value, list | tuple):
        for item in value:
            freeze(item)
    elif isinstance(value, Known):
        freeze(value.entries())
    elif is_dataclass(value):
        for f in fields(value):
            freeze(getattr(value, f.name))


def same(a: Any, b: Any) -> bool:
    """Equality including arrays, mappings and dataclasses; nan equals nan.

    >>> same({"a": np.array([1.0, np.nan])}, {"a": np.array([1.0, np.nan])})
    True
    """
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if isinstance(a, Mapping):
        return isinstance(b, Mapping) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, Known):
        return isinstance(b, Known) and same(a.entries(), b.entries())
    if is_dataclass(a) and type(a) is type(b):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return bool(a == b or (a != a and b != b))


def check_declaration(block: Block) -> None:
    """A block declares its gate, and the owner of every entry that it reads and writes.

    Raises AssertionError otherwise.

    >>> from tandem_sim import schemes
    >>> for block in schemes()["multilevel-03"].blocks:
    ...     check_declaration(block)
    """
    assert block.name
    assert block.gate in GATES
    for name in block.reads + block.writes:
        assert name.startswith(OWNERS), f"{block.name}: {name} names no owner"


def check_block(block: Block, system: str, states: OperatorState) -> Written:
    """Run `block` twice on frozen entries: same result, input unchanged, only declared entries written.

    `states` is what operators know. Returns what the block wrote. Raises AssertionError
    for a block that breaks a rule, ValueError for one that changes an array of its input.

    >>> from tandem_sim import schemes
    >>> from tandem_sim.experiments.runs.bundled import case_path
    >>> from tandem_sim.markets.cases.case import read_case
    >>> from tandem_sim.markets.cases.clear import open_case
    >>> scheme = schemes()["multilevel-01"]
    >>> states, ledger = open_case(read_case(case_path("alexander-b")), scheme)
    >>> written = check_block(scheme.blocks[0], "D1", states)
    >>> list(written.awards)  # the market of DSO D1 buys bids of its area only
    ['D1']
    """
    check_declaration(block)
    view = view_of(block, system, states)
    freeze(view)
    first, second = block(system, view), block(system, view)
    assert same(first, second), f"{block.name} is not a function of its view"
    for entries in first.states.values():
        for name in entries.entries():
            full = entries.prefix + name
            assert full in block.writes, f"{block.name} writes {full} without declaring it"
    for sold_in in first.awards:
        full = "tso.sold" if sold_in == TSO else "area.sold"
        assert full in block.writes, f"{block.name} awards in {sold_in} without declaring {full}"
    if block.party == "dso":
        assert set(first.states) <= {system}, f"{block.name} writes into another state"
        assert set(first.awards) <= {system}, f"{block.name} sells another's bids"
    return first


def check_scheme(scheme: Scheme, states: OperatorState, ledger: Ledger) -> None:
    """Run a scheme without `Repeat` on `states`, and check every block.

    Raises AssertionError for a block that breaks a rule, and for more MW sold than offered.

    >>> from tandem_sim import schemes
    >>> from tandem_sim.experiments.runs.bundled import case_path
    >>> from tandem_sim.markets.cases.case import read_case
    >>> from tandem_sim.markets.cases.clear import open_case
    >>> scheme = schemes()["multilevel-03"]
    >>> check_scheme(scheme, *open_case(read_case(case_path("alexander-b")), scheme))
    """
    for block in scheme.blocks:
        for system in systems_of(block, states):
            apply(block, check_block(block, system, states), states, ledger)
    for system, offered in ledger.offered.items():
        markets = [awards[system] for awards in ledger.markets.values() if system in awards]
        total = np.sum(markets, axis=0) if markets else np.zeros(len(offered))
        assert (total <= offered + 1e-9).all(), f"{scheme.name} sold more of {system} than was offered"
        assert np.abs(total - ledger.sold(system)).max(initial=0.0) < 1e-9


def check_strategy(make: Callable[[int], Strategy], isps: int = 40) -> None:
    """Check a strategy: equal seeds and repeated calls give equal offers, and offers keep the rules.

    `make` builds a strategy from a seed. Market results sell all its offers at its price; information it has
    not declared must have no effect. Raises AssertionError, or `StrategyError` for offers that break a rule.

    >>> from tandem_sim import strategies
    >>> check_strategy(lambda seed: strategies()["withholding"](share=0.5))
    """
    rng = np.random.default_rng(0)
    one, two = make(1), make(1)
    sees = declared_inputs(one, type(one).__name__)
    book = None
    for isp in range(isps):
        view = OfferView(
            isp=isp,
            day_ahead_price=40.0,
            direction=np.array([1, -1, 1]),
            quantity_mw=rng.uniform(0.1, 5.0, 3),
            cost=rng.uniform(0.0, 60.0, 3),
            price_floor=-500.0,
            price_cap=500.0,
            system="D1",
            stage="first",
            sees=sees,
            published=book,
        )
        first, again, twin = checked(one, view, "A"), checked(one, view, "A"), checked(two, view, "A")
        assert same(first, again), "two calls with one view give different offers"
        assert same(first, twin), "equal seeds give different offers"
        if BOOK not in sees:
            assert same(first, checked(one, replace(view, published=None), "A")), (
                "offers depend on information that is not declared"
            )
        paid = view.direction * first.price * first.quantity_mw
        result = SellerResult(
            isp=isp,
            direction=view.direction,
            offered_mw=first.quantity_mw,
            sold_mw=first.quantity_mw,
            received_eur_per_h=paid,
            cost_eur_per_h=view.direction * view.cost * first.quantity_mw,
        )
        for strategy in (one, two):
            strategy.learn(result)
        book = PublishedBook(
            isp=isp,
            direction=np.array([1, -1]),
            quantity_mw=np.ones(2),
            price=np.array([50.0, 10.0]),
            bought_mw={1: 2.0, -1: 1.0},
        )
    if isinstance(one, SupplyStrategy):
        assert one.supply_markup(range(96)).shape == (96,)
    if isinstance(one, BaselineStrategy):
        assert one.declared_mw(np.ones(2), np.ones(2)).shape == (2,)


def check_baseline(make: Callable[[int, DayIndex], BaselineMethod], days: int = 12) -> None:
    """Check a baseline on hourly readings of five meters: a load with a daily shape, noise and activations.

    Equal readings give equal estimates, also after pickling; estimates are n numbers or nan, never infinite;
    the arrays that it is given stay as they are.

    The class stands in a module of your own, because checkpoints keep it:

    >>> from my_baseline import Smoothed  # doctest: +SKIP
    >>> check_baseline(Smoothed)  # doctest: +SKIP
    """
    meters, rng = 5, np.random.default_rng(0)
    index = DayIndex(
        {isp: isp // 24 for isp in range(24 * days)},
        {isp: 60 * (isp % 24) for isp in range(24 * days)},
        {day: day % 7 < 5 for day in range(days)},
        60,
    )
    one, two = make(meters, index), make(meters, index)
    for isp in range(24 * days):
        metered = -1.0 - np.sin(isp % 24 / 24.0 * np.pi) + rng.normal(0.0, 0.1, meters)
        active, declared = rng.random(meters) < 0.2, np.where(rng.random(meters) < 0.1, np.nan, metered)
        found = CheckedBaseline("under test", meters, one).estimate(isp, declared)
        _frozen(one.estimate if isp == 0 else two.estimate, isp, declared)
        twin = np.array(two.estimate(isp, declared), dtype=np.float64)
        assert same(found, twin), "equal readings give different estimates"
        for method in (one, two):
            _frozen(method.read, isp, metered, active)
        if isp == 12 * days:
            two = pickle.loads(pickle.dumps(two))


def _frozen(call: Callable[..., object], isp: int, *arrays: np.ndarray[Any, Any]) -> None:
    """Call with arrays that cannot be changed."""
    freeze(arrays)
    try:
        call(isp, *arrays)
    except ValueError as error:
        raise AssertionError(f"changes an array that it is given, or fails: {error}") from error


def check_agent(add: Callable[..., None], options: Mapping[str, Any] | None = None) -> None:
    """Simulate a small day with an extension, and check the agents and roles that it adds.

    `add` is the extension, a function of a module, with the `options` of the scenario. Agents handle every
    message that they receive; no mapping or set of theirs has an entry for an ISP that was settled; a run
    resumed from a checkpoint at noon writes the same tables (to 1e-9) as one that is not. It takes seconds.
    """
    from tandem_sim.experiments.api import read_scenario

    name = f"{add.__module__}:{add.__qualname__}"
    small: dict[str, Any] = {"days": 1, "isp_minutes": 60, "households": 60, "population.sustain_isps": 1}
    extension = {"name": name, "options": dict(options or {})}
    scenario = read_scenario("reference", {**small, "extensions": [extension]})
    allowed, tables = AllowedCode((add.__module__,)), []
    with TemporaryDirectory() as folder:
        kept = Checkpoints(Path(folder), {}, key=bytes(32))
        for part, checkpoints in (("whole", None), ("resumed", kept)):
            out = Path(folder) / part
            out.mkdir()
            model = start(scenario, None, out, checkpoints=checkpoints, allowed=allowed)
            if checkpoints is not None:
                for _ in range(12):
                    model.step()
                checkpoints.save(model)
                model = start(scenario, None, out, checkpoints=checkpoints, allowed=allowed)
            while model.running:
                _step(model)
            _check_forgotten(model)
            model.recorder.close()
            tables.append({path.stem: pd.read_parquet(path) for path in sorted(out.glob("*.parquet"))})
    for table, whole in tables[0].items():
        try:
            pd.testing.assert_frame_equal(whole, tables[1][table], rtol=0.0, atol=1e-9)
        except AssertionError as error:
            raise AssertionError(f"a resumed run has another table {table}: {error}") from error


def _step(model: FlexibilityModel) -> None:
    try:
        model.step()
    except TypeError as error:
        raise AssertionError(f"ISP {model.steps + 1}: {error}") from error


def _check_forgotten(model: FlexibilityModel) -> None:
    """Nothing that was added keeps an ISP after the last one was settled."""
    for who, part in _added(model):
        for name, value in vars(part).items():
            if isinstance(value, dict | set | frozenset):
                isps = [key for key in value if type(key) is int and 0 <= key < model.calendar.n_isp]
                assert not isps, f"{who}: {name} keeps ISP {isps[0]} after it was settled (see forget)"


def _added(model: FlexibilityModel) -> Iterator[tuple[str, object]]:
    """Agents and roles whose class is not Tandem's own."""
    for agent in model.participants:
        for part in (agent, *agent.roles):
            if not type(part).__module__.startswith("tandem_sim."):
                yield f"{type(part).__name__} of {agent.name}", part
