"""Contract test of a class of device: what the fleet relies on, for classes of one's own too."""

from __future__ import annotations

from typing import Any

import numpy as np

from tandem_sim.agents.devices.device import DeviceGroup, arrays_of
from tandem_sim.grids.tolerances import FLEET_TOLERANCE_KWH_OR_K
from tandem_sim.grids.types import FloatArray

ROUNDING_KW = 1e-9


def check_device(group: DeviceGroup[Any, Any], isps: int = 96, sustain: int = 5, seed: int = 0) -> None:
    """Simulate a group through ISPs with random orders, and check every ISP.

    The feasible range contains the baseline and lies within the largest change of power; what it can sustain
    for several ISPs is deliverable in the first of them; all invariants of the class hold; the energy that is
    taken back later is bounded; two calls with the same arguments give the same result, and change none of
    them. Raises AssertionError naming the condition. ``sustain``: ISPs in a row that offers must sustain.
    """
    rng = np.random.default_rng(seed)
    up_kw, down_kw = group.swing_kw()
    state = group.open_accounts(group.start(0))
    for isp in range(isps):
        reading = group.read(isp)
        assert _same(reading, group.read(isp)), "two readings of an ISP differ"
        state = group.arrive(state, reading)
        before = {name: values.copy() for name, values in arrays_of("state", state).items()}
        base = group.baseline(state, reading, ())
        low, high = group.feasible_range(state, reading, base, 1)
        least, most = group.feasible_range(state, reading, base, sustain)
        for name, ends in {"physical": (low, high), "sustained": (least, most)}.items():
            assert (ends[0] <= base).all(), f"the {name} range does not contain the baseline (low end)"
            assert (ends[1] >= base).all(), f"the {name} range does not contain the baseline (high end)"
        assert (most - base <= up_kw + ROUNDING_KW).all(), "an offer up exceeds the largest change of power"
        assert (base - least <= down_kw + ROUNDING_KW).all(), "an offer down exceeds the largest change"
        up, down = group.cost(state, reading, base, (least, most), 50.0)
        assert np.isfinite(up).all(), "the cost of up is not finite"
        assert np.isfinite(down).all(), "the saving of down is not finite"
        power = _ordered(rng, base, np.minimum(low, least), np.maximum(high, most))
        after = group.move(state, reading, power, None)
        assert _same(after, group.move(state, reading, power, None)), "two moves from one state differ"
        for name, values in arrays_of("state", state).items():
            assert np.array_equal(values, before[name]), f"a move changes {name} of the state before"
        broken = {name: x.max(initial=0.0) for name, x in group.checks(after).items()}
        worst = {name: float(x) for name, x in broken.items() if not x <= FLEET_TOLERANCE_KWH_OR_K}
        assert not worst, f"invariants are broken: {worst}"
        owed = np.abs(group.rebound_kwh(after))
        bound = group.most_rebound_kwh() + FLEET_TOLERANCE_KWH_OR_K
        assert (owed <= bound).all(), "the energy taken back later exceeds its bound"
        state = after


def _ordered(rng: np.random.Generator, base: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Power (M,): of members a third at an end of the range, a third inside, a third at the baseline."""
    kind, share = rng.integers(0, 3, len(base)), rng.random(len(base))
    inside = low + share * (high - low)
    return np.where(kind == 0, np.where(share < 0.5, low, high), np.where(kind == 1, inside, base))


def _same(one: Any, two: Any) -> bool:
    """Equality of arrays, numbers, and of tuples and dataclasses of them."""
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, two))
    if isinstance(one, tuple):
        return len(one) == len(two) and all(_same(a, b) for a, b in zip(one, two, strict=True))
    if hasattr(one, "__dataclass_fields__"):
        return all(_same(getattr(one, name), getattr(two, name)) for name in one.__dataclass_fields__)
    return bool(one == two)
