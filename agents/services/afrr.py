"""Automatic frequency restoration (aFRR) inside an ISP: PI controller, merit order, ramps, delivery."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray

Monitor = Callable[[int, FloatArray], Sequence[tuple[int, FloatArray]]]
"""Signals of DSOs, given a second of the ISP and the delivery at that second, (n,) MW.

Each signal: the second of the ISP of its reception, and upper bounds (n,) MW, inf for none.
"""


@dataclass(frozen=True, kw_only=True)
class AfrrSettings:
    """Settings of the controller. Times in seconds; ramps by the full activation time of a bid.

    `delay_s` passes from a decision of the controller to its set-point. With `step_mw` the set-point of a BSP
    moves to multiples of it, or to the wanted total if that is nearer. The next step is sent when the ramp
    has reached the step before, so that assets have the time of their ramp to follow.
    """

    cycle_s: int = 4
    full_activation_s: float = 300.0
    gain: float = 0.2  # proportional part: MW called per MW of area control error
    integral_s: float = 100.0  # integral time: after it the integrator calls 1 MW per MW of lasting error
    delay_s: int = 0
    step_mw: float = 0.0  # 0: set-points move with the ramp
    monitor_s: int = 60  # time between two checks of DSOs


@dataclass(frozen=True, kw_only=True)
class AfrrBids:
    """n bids of the merit order list, arrays (n,): direction +1 or -1, MW, EUR/MWh, ramp in MW/s.

    `owner` is the number of the BSP; by default every bid has a BSP of its own.
    """

    direction: FloatArray
    quantity_mw: FloatArray
    price: FloatArray
    ramp_mw_per_s: FloatArray
    owner: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def __post_init__(self) -> None:
        if not len(self.owner):
            object.__setattr__(self, "owner", np.arange(len(self.price)))


@dataclass
class ControllerState:
    """State that passes from one ISP to the next (MW, up positive).

    The integrator, the power delivered, and the decided totals whose set-points are still delayed.
    """

    integral_mw: float = 0.0
    delivered_mw: float = 0.0
    decided_mw: deque[float] = field(default_factory=deque)


@dataclass(frozen=True, kw_only=True)
class AfrrResult:
    """One ISP of k control cycles and n bids; MW, >= 0 in the bid's direction, unless stated otherwise."""

    setpoint_mw: FloatArray  # (k, n) as sent
    requested_mw: FloatArray  # (k, n) ramp-limited request on the way to the set-points
    delivered_mw: FloatArray  # (k, n)
    error_mw: FloatArray  # (k,) area control error, positive: long
    net_mw: FloatArray  # (k,) delivered, up positive
    terminated: BoolArray  # (n,) whether a signal has lowered its bound

    def minutes_mw(self, cycle_s: int) -> FloatArray:
        """Mean net delivery of each whole minute, MW, up positive; one value if the ISP is below a minute."""
        per = max(round(60 / cycle_s), 1)
        whole = len(self.net_mw) // per
        if not whole:
            return np.array([self.net_mw.mean()])
        return np.asarray(self.net_mw[: whole * per].reshape(whole, per).mean(axis=1))

    @property
    def requested_mean_mw(self) -> FloatArray:
        """Mean request of each bid (n,) MW."""
        return np.asarray(self.requested_mw.mean(axis=0))

    @property
    def delivered_mean_mw(self) -> FloatArray:
        """Mean delivery of each bid (n,) MW."""
        return np.asarray(self.delivered_mw.mean(axis=0))


class ActivationQueue:
    """Splits a total over bids in merit order: up from the lowest price, down from the highest."""

    def __init__(self, bids: AfrrBids) -> None:
        self._bids = bids
        self.bound_mw = bids.quantity_mw.copy()
        self._rank()

    def _rank(self) -> None:
        self._before = np.zeros(len(self.bound_mw))
        self.most = {}
        for direction in (1.0, -1.0):
            side = np.flatnonzero(self._bids.direction == direction)
            side = side[np.argsort(direction * self._bids.price[side], kind="stable")]
            total = np.cumsum(self.bound_mw[side])
            self._before[side] = total - self.bound_mw[side]
            self.most[direction] = float(total[-1]) if len(side) else 0.0

    def lower(self, bound_mw: FloatArray) -> BoolArray:
        """Apply upper bounds (n,) MW from now on; returns which are lower than before, (n,)."""
        lowered = bound_mw < self.bound_mw - NEGLIGIBLE_MW
        self.bound_mw = np.minimum(self.bound_mw, bound_mw)
        self._rank()
        return np.asarray(lowered)

    def split(self, wanted_mw: float) -> FloatArray:
        """MW of each bid (n,), >= 0, for a net total (MW, up positive)."""
        called = self._bids.direction * wanted_mw
        return np.minimum(np.maximum(called - self._before, 0.0), self.bound_mw)


class Dispatcher:
    """Set-points of the bids of one ISP and delivery of their assets, cycle by cycle."""

    def __init__(self, settings: AfrrSettings, bids: AfrrBids, state: ControllerState | None = None) -> None:
        """The delivery in `state` is assigned to this merit order without a jump; decisions are added."""
        state = ControllerState() if state is None else state
        self.order = ActivationQueue(bids)
        self._bids = bids
        self._ramp = bids.ramp_mw_per_s * settings.cycle_s
        self._step_mw = settings.step_mw
        self._wait = settings.delay_s // settings.cycle_s
        self._start_mw, self._decided = state.delivered_mw, state.decided_mw
        self.requested = self.order.split(self._start_mw)  # where the ramps are
        self.delivered = self.requested.copy()
        self._known = self.requested.copy()  # the last set-point that arrived

    def follow(
        self, wanted_mw: float, received: BoolArray | None = None, available_mw: FloatArray | None = None
    ) -> FloatArray:
        """Set-points (n,) MW of this cycle for a wanted total, which takes effect after the delay.

        Requests move at the ramp of their bid (`requested`), and so do assets (`delivered`). An asset that
        has not `received` (n,) its set-point keeps the last one. No asset delivers more than it has available
        (`available_mw`, (n,)).
        """
        self._decided.append(wanted_mw)
        due = self._decided.popleft() if len(self._decided) > self._wait else self._start_mw
        target = self.order.split(due)
        self.requested += np.minimum(np.maximum(target - self.requested, -self._ramp), self._ramp)
        setpoint = self._stepped(target)
        self._known = setpoint if received is None else np.where(received, setpoint, self._known)
        self.delivered += np.minimum(np.maximum(self._known - self.delivered, -self._ramp), self._ramp)
        if available_mw is not None:
            np.minimum(self.delivered, available_mw, out=self.delivered)
        return setpoint

    def _stepped(self, target: FloatArray) -> FloatArray:
        """Set-points (n,) in steps: the sum of a BSP moves towards its target up to the next whole step.

        Sums are net: a BSP receives one set-point and splits it over its bids.
        """
        if self._step_mw <= 0.0:
            return self.requested.copy()
        owner, direction, left = self._bids.owner, self._bids.direction, target - self.requested
        now = np.bincount(owner, direction * self.requested)
        gap = np.bincount(owner, direction * left)
        steps = now / self._step_mw
        whole = np.where(gap >= 0.0, np.ceil(steps - 1e-9), np.floor(steps + 1e-9)) * self._step_mw
        far = np.abs(gap) > NEGLIGIBLE_MW
        share = np.minimum(np.divide(whole - now, gap, out=np.ones(len(gap)), where=far), 1.0)
        return np.asarray(self.requested + np.maximum(share, 0.0)[owner] * left)


def run_isp(
    settings: AfrrSettings,
    bids: AfrrBids,
    imbalance_mw: FloatArray,
    state: ControllerState,
    monitor: Monitor | None = None,
    received: BoolArray | None = None,
    available_mw: FloatArray | None = None,
) -> AfrrResult:
    """Dispatch aFRR through one ISP; `state` is updated for the next one.

    `imbalance_mw` (k,) is the system's surplus per cycle without aFRR. `received` (k, n) says which
    set-points arrive (None: all). `available_mw` (n,) is what bids can deliver, unknown to the controller
    (None: their full quantity). The wanted total is ``-gain e + integral``, with
    ``d integral / dt = -e / integral_s`` and ``e`` the area control error. It is limited to the sum of the
    bids, where the integrator stops (anti-windup). A bound from `monitor` applies from the first cycle that
    begins after its reception.
    """
    k, n = len(imbalance_mw), len(bids.price)
    dispatch = Dispatcher(settings, bids, state)
    setpoints, requests, deliveries = np.empty((k, n)), np.empty((k, n)), np.empty((k, n))
    error, net = np.empty(k), np.empty(k)
    terminated = np.zeros(n, dtype=bool)
    check = max(round(settings.monitor_s / settings.cycle_s), 1)
    signals: list[tuple[int, FloatArray]] = []  # sent and not received yet
    for c in range(k):
        _take(signals, c * settings.cycle_s, dispatch.order, terminated)
        error[c] = imbalance_mw[c] + float(bids.direction @ dispatch.delivered)
        low, high = -dispatch.order.most[-1.0], dispatch.order.most[1.0]
        wanted = -settings.gain * error[c] + state.integral_mw
        if (
            low < wanted < high or wanted * error[c] > 0.0
        ):  # at a limit the integrator may only move away from it
            state.integral_mw -= error[c] * settings.cycle_s / settings.integral_s
        setpoints[c] = dispatch.follow(
            min(max(wanted, low), high), None if received is None else received[c], available_mw
        )
        requests[c], deliveries[c] = dispatch.requested, dispatch.delivered
        net[c] = float(bids.direction @ dispatch.delivered)
        if monitor is not None and c % check == check - 1:
            signals += monitor((c + 1) * settings.cycle_s, dispatch.delivered)
    _take(signals, k * settings.cycle_s, dispatch.order, terminated)
    state.delivered_mw = float(net[-1]) if k else state.delivered_mw
    return AfrrResult(
        setpoint_mw=setpoints,
        requested_mw=requests,
        delivered_mw=deliveries,
        error_mw=error,
        net_mw=net,
        terminated=terminated,
    )


def _take(
    signals: list[tuple[int, FloatArray]], now_s: int, order: ActivationQueue, terminated: BoolArray
) -> None:
    """Apply the bounds of signals received by now, and mark the bids (n,) that they terminate."""
    for signal in [signal for signal in signals if signal[0] <= now_s]:
        terminated |= order.lower(signal[1])
    signals[:] = [signal for signal in signals if signal[0] > now_s]


def imbalance_path(
    mean_mw: float, cycles: int, sigma_mw: float, settings: AfrrSettings, rng: np.random.Generator
) -> FloatArray:
    """Surplus per cycle (cycles,) MW: ISP mean plus an Ornstein-Uhlenbeck path of 120 s without its mean."""
    keep = np.exp(-settings.cycle_s / 120.0)
    shocks = rng.normal(0.0, sigma_mw * np.sqrt(1.0 - keep**2), cycles)
    path = np.empty(cycles)
    level = rng.normal(0.0, sigma_mw)
    for c in range(cycles):
        level = keep * level + shocks[c]
        path[c] = level
    return np.asarray(mean_mw + path - path.mean())


def within_band(
    requested_mw: FloatArray, delivered_mw: FloatArray, low: float = -0.1, high: float = 0.2
) -> BoolArray:
    """Whether each delivery (n,) lies within -10 % and +20 % of the request, the Dutch aFRR tolerance."""
    return np.asarray(
        (delivered_mw >= (1.0 + low) * requested_mw - NEGLIGIBLE_MW)
        & (delivered_mw <= (1.0 + high) * requested_mw + NEGLIGIBLE_MW)
    )
