"""Prequalification of assets: tests, entry in the flexibility register, withdrawal after bad delivery."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tandem_sim.agents.base.agent import AgentContext
from tandem_sim.agents.base.messages import (
    AssetResultMessage,
    AssetsMessage,
    QualificationMessage,
    RevisionMessage,
)
from tandem_sim.agents.base.subscriptions import Role, at, on
from tandem_sim.agents.services.afrr import within_band
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.markets.orders.bids import UP
from tandem_sim.markets.orders.flexibility_register import FlexibilityRegister, RegisteredUnit
from tandem_sim.markets.orders.products import Service, implied_by
from tandem_sim.markets.settlement.payments import Place

WHOLE = RegisteredUnit(name="", system="", node=-1, up_mw=0.0, down_mw=0.0)
"""Stands for all units of a group in the table ``flexibility_register``."""
TELLING_MW = 0.01
"""Net activation of a group below this is not judged."""


@dataclass(frozen=True)
class QualificationRules:
    """Validity of a qualification, and the failed ISPs in a row that suspend it for a time."""

    valid_s: int
    strikes: int
    suspension_s: int
    renew_s: int = 2 * 86_400  # renewal is requested this long before the end


@dataclass(frozen=True)
class AssetTest:
    """Test of units against the connected assets and, if given, the operator's network flexibility study.

    `study` gives, for a unit by name, whether it may sell now, up and down, and the reason if not.
    """

    connected: Mapping[str, RegisteredUnit]
    study: Callable[[str], tuple[bool, bool, str]] | None = None

    def __call__(self, units: Sequence[RegisteredUnit]) -> tuple[tuple[RegisteredUnit, ...], dict[str, str]]:
        """Units with the MW that may be sold, and the reasons of reductions by unit."""
        tested, reasons = [], {}
        for unit in units:
            true = self.connected.get(unit.name)
            if true is None or (true.system, true.node) != (unit.system, unit.node):
                reasons[unit.name] = "no such unit is connected there"
                continue
            up, down = min(unit.up_mw, true.up_mw), min(unit.down_mw, true.down_mw)
            if (up, down) != (unit.up_mw, unit.down_mw):
                reasons[unit.name] = "more was requested than its connection allows"
            if self.study is not None:
                may_up, may_down, reason = self.study(unit.name)
                if reason:
                    reasons[unit.name] = reason
                up, down = up * may_up, down * may_down
            tested.append(
                RegisteredUnit(name=unit.name, system=unit.system, node=unit.node, up_mw=up, down_mw=down)
            )
        return tuple(tested), reasons


@dataclass(kw_only=True)
class AssetTester(Role):
    """Tests at a DSO of the assets in its grid, once requested and again when its study changes."""

    name: str
    context: AgentContext
    test: AssetTest
    # provider -> last request, units with the MW allowed then
    _tested: dict[str, tuple[AssetsMessage, tuple[RegisteredUnit, ...]]] = field(default_factory=dict)

    @on(AssetsMessage)
    def on_assets(self, message: AssetsMessage) -> None:
        """Test the units and answer the TSO."""
        units, reasons = self.test(message.units)
        self._tested[message.provider] = message, units
        self.context.send(
            AssetResultMessage(
                self.name,
                message.sender,
                message.isp,
                provider=message.provider,
                units=units,
                reasons=reasons,
            )
        )

    def stands_at(self, gate: str) -> bool:
        """Only a study changes the MW that are allowed."""
        return self.test.study is not None

    @at("connection")
    def retest(self, day: range) -> None:
        """Once a day: send the TSO the units whose allowed MW have changed since their last test."""
        for provider, (request, before) in self._tested.items():
            units, reasons = self.test(request.units)
            self._tested[provider] = request, units
            changed = tuple(unit for unit in units if unit not in before)
            if changed:
                found = {u.name: reasons.get(u.name, "") for u in changed}
                self.context.send(
                    RevisionMessage(
                        self.name, request.sender, day.start, provider=provider, units=changed, reasons=found
                    )
                )


@dataclass
class _PendingTest:
    """A request whose tests at DSOs are not complete."""

    request: AssetsMessage
    waiting: set[str]
    units: list[RegisteredUnit] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)


class PrequalificationProcess(Role):
    """Prequalification by the TSO: it tests assets on transmission, DSOs test those in distribution."""

    def __init__(
        self,
        *,
        name: str,
        context: AgentContext,
        register: FlexibilityRegister,
        rules: QualificationRules,
        test: AssetTest,
        operators: Mapping[str, str],
    ) -> None:
        """`operators` names the operator of every system."""
        self.register, self.rules = register, rules
        self._name, self._context, self._test, self._operators = name, context, test, dict(operators)
        self._pending: dict[str, _PendingTest] = {}
        self._fast: dict[str, tuple[float, float]] = {}  # unit -> MW up, down for aFRR by the last request
        self._failed: dict[str, int] = {}  # failed ISPs in a row by BSP
        self._suspended: dict[str, int] = {}  # BSP -> second until which it is suspended

    @on(AssetsMessage)
    def on_assets(self, message: AssetsMessage) -> None:
        """Handle a request: test assets on transmission, send the others to their DSOs."""
        provider, now = message.provider, self._context.now()
        if provider in self._suspended and self._suspended[provider] > now:
            self._answer(message, (), 0, "suspended for repeated non-delivery")
            return
        systems = {u.system for u in message.units}
        pending = self._pending[provider] = _PendingTest(message, systems - {TSO})
        tested, pending.reasons = self._test([u for u in message.units if u.system == TSO])
        pending.units = list(tested)
        for system in sorted(pending.waiting):
            part = tuple(u for u in message.units if u.system == system)
            receiver = self._operators[system]
            self._context.send(
                AssetsMessage(
                    self._name, receiver, message.isp, provider=provider, service=message.service, units=part
                )
            )
        if not pending.waiting:
            self._close(pending)

    @on(AssetResultMessage)
    def on_asset_result(self, message: AssetResultMessage) -> None:
        """Take the test results of a DSO; the last one completes the request."""
        pending = self._pending[message.provider]
        pending.units += message.units
        pending.reasons |= message.reasons
        pending.waiting -= {s for s, operator in self._operators.items() if operator == message.sender}
        if not pending.waiting:
            self._close(pending)

    @on(RevisionMessage)
    def on_revision(self, message: RevisionMessage) -> None:
        """Enter units whose allowed MW a DSO's study has changed."""
        provider, now = message.provider, self._context.now()
        allowed = [u for u in message.units if u.up_mw > 0 or u.down_mw > 0]
        self.register.enter(provider, allowed, [self._fast_mw(u) for u in allowed], now, ())
        self.register.remove(provider, [u.name for u in message.units if u not in allowed])
        for unit in message.units:
            self._record(message.isp, provider, unit, "revised", message.reasons[unit.name])

    def _fast_mw(self, unit: RegisteredUnit) -> tuple[float, float]:
        """MW (up, down) of a unit within the full activation time of aFRR, at most its allowed MW."""
        up, down = self._fast[unit.name]
        return min(up, unit.up_mw), min(down, unit.down_mw)

    def judge(self, isp: int, ordered_mw: Mapping[Place, float], delivered_mw: Mapping[Place, float]) -> None:
        """Count ISPs in a row in which a group left the band of -10 % and +20 %; withdraw at the limit.

        A group leaves the band if it does in any area and direction (`Place`; MW in its direction).
        """
        within: dict[str, bool] = {}
        for place, ordered in ordered_mw.items():
            if ordered >= TELLING_MW:
                good = within_band(np.array([ordered]), np.array([delivered_mw[place]]))[0]
                within[place[0]] = within.get(place[0], True) and bool(good)
        for provider, good in within.items():
            self._failed[provider] = 0 if good else self._failed.get(provider, 0) + 1
            if self._failed[provider] >= self.rules.strikes:
                self._withdraw(isp, provider)

    def _withdraw(self, isp: int, provider: str) -> None:
        self._failed[provider] = 0
        lost = self.register.withdraw(provider, "mFRR")
        self._suspended[provider] = self._context.now() + self.rules.suspension_s
        reason = f"delivered outside the band in {self.rules.strikes} ISPs in a row"
        for service in lost:
            self._record(isp, provider, WHOLE, "withdrawn", reason, service)
        if lost:
            self._context.send(QualificationMessage(self._name, provider, isp, reason=reason))

    def _close(self, pending: _PendingTest) -> None:
        request, now = pending.request, self._context.now()
        del self._pending[request.provider]
        self._fast |= {u.name: f for u, f in zip(request.units, request.fast_mw, strict=True)}
        if self._suspended.get(request.provider, now) > now:
            self._answer(request, (), 0, "suspended for repeated non-delivery")
            return
        units = sorted((u for u in pending.units if u.up_mw > 0 or u.down_mw > 0), key=lambda u: u.name)
        until = now + self.rules.valid_s
        limited = [self._fast_mw(u) for u in units]
        granted = implied_by(request.service) if units else ()
        self.register.enter(request.provider, units, limited, until, granted[:1])
        passed = {u.name: u for u in units}
        self.register.remove(request.provider, [u.name for u in request.units if u.name not in passed])
        for unit in request.units:
            event = "qualified" if unit.name in passed else "refused"
            found = passed.get(
                unit.name,
                RegisteredUnit(name=unit.name, system=unit.system, node=unit.node, up_mw=0.0, down_mw=0.0),
            )
            self._record(request.isp, request.provider, found, event, pending.reasons.get(unit.name, ""))
        for service in granted:
            event = "qualified" if service == request.service else "implied"
            up, down = (self.register.pool_mw(request.provider, d, service) for d in (UP, -UP))
            self._record(
                request.isp, request.provider, replace(WHOLE, up_mw=up, down_mw=down), event, "", service
            )
        self._answer(request, granted, until if granted else 0, "" if granted else "no unit passed its test")

    def _answer(self, request: AssetsMessage, services: tuple[Service, ...], until: int, reason: str) -> None:
        self._context.send(
            QualificationMessage(
                self._name, request.provider, request.isp, services=services, until_s=until, reason=reason
            )
        )
        if not services:
            self._record(request.isp, request.provider, WHOLE, "refused", reason, request.service)

    def _record(
        self, isp: int, provider: str, unit: RegisteredUnit, event: str, reason: str, service: str = ""
    ) -> None:
        """Record an event of a unit, or of a whole group in a service."""
        self._context.record(
            "flexibility_register",
            {
                "isp": isp,
                "provider": provider,
                "system": unit.system,
                "unit": unit.name,
                "service": service,
                "event": event,
                "up_mw": unit.up_mw,
                "down_mw": unit.down_mw,
                "reason": reason,
            },
        )


class Applicant(Role):
    """A BSP that requests qualification when its group has none, or when it expires soon."""

    def __init__(
        self,
        *,
        name: str,
        context: AgentContext,
        operator: str,
        service: Service,
        units: Sequence[RegisteredUnit],
        fast_mw: Sequence[tuple[float, float]],
        renew_s: int,
    ) -> None:
        self._name, self._context, self._operator, self._service = name, context, operator, service
        self._units, self._fast = tuple(units), tuple(fast_mw)
        self._renew_s = renew_s
        self._until_s: int | None = None

    @at("connection")
    def renew(self, day: range) -> None:
        """Once a day: request qualification if the group has none, or if it expires soon."""
        self.apply(day.start)

    def apply(self, isp: int) -> None:
        """Request qualification if it is needed."""
        until = self._until_s
        if not self._units or (until is not None and until - self._context.now() > self._renew_s):
            return
        self._context.send(
            AssetsMessage(
                self._name,
                self._operator,
                isp,
                provider=self._name,
                service=self._service,
                units=self._units,
                fast_mw=self._fast,
            )
        )

    @on(QualificationMessage)
    def on_qualification(self, message: QualificationMessage) -> None:
        """Store the answer, or a withdrawal."""
        self._until_s = message.until_s if message.services else None
