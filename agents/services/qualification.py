"""Prequalification: assets are tested, entered in the register, and taken off it after bad delivery."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tandem_sim.agents.base.agent import AgentContext
from tandem_sim.agents.base.messages import (
    AssetResultMessage,
    AssetsMessage,
    QualificationMessage,
    RevisionMessage,
)
from tandem_sim.agents.services.afrr import within_band
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.markets.orders.bids import UP
from tandem_sim.markets.orders.flexibility_register import FlexibilityRegister, RegisteredUnit
from tandem_sim.markets.orders.products import Service, implied_by
from tandem_sim.markets.settlement.payments import Place

TELLING_MW = 0.01
"""Net activation of a group below this says nothing about how well it delivers."""


@dataclass(frozen=True)
class QualificationRules:
    """How long a qualification holds, and how many failed ISPs in a row suspend it for how long."""

    valid_s: int
    strikes: int
    suspension_s: int
    renew_s: int = 2 * 86_400  # asked for anew so long before it ends


@dataclass(frozen=True)
class AssetTest:
    """What units are tested against: what is connected, and the operator's study, if it goes by one.

    `study` says of a unit by name whether it may sell now, up and down, and why not.
    """

    connected: Mapping[str, RegisteredUnit]
    study: Callable[[str], tuple[bool, bool, str]] | None = None

    def __call__(self, units: Sequence[RegisteredUnit]) -> tuple[tuple[RegisteredUnit, ...], dict[str, str]]:
        """Units with the MW that may be sold, and why some are less than asked for."""
        tested, reasons = [], {}
        for unit in units:
            true = self.connected.get(unit.name)
            if true is None or (true.system, true.node) != (unit.system, unit.node):
                reasons[unit.name] = "no such unit is connected there"
                continue
            up, down = min(unit.up_mw, true.up_mw), min(unit.down_mw, true.down_mw)
            if (up, down) != (unit.up_mw, unit.down_mw):
                reasons[unit.name] = "more than its connection can do was asked for"
            if self.study is not None:
                may_up, may_down, reason = self.study(unit.name)
                if reason:
                    reasons[unit.name] = reason
                up, down = up * may_up, down * may_down
            tested.append(
                RegisteredUnit(name=unit.name, system=unit.system, node=unit.node, up_mw=up, down_mw=down)
            )
        return tuple(tested), reasons


@dataclass
class _PendingTest:
    """One request on its way."""

    asked: AssetsMessage
    waiting: set[str]
    units: list[RegisteredUnit] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)


class PrequalificationProcess:
    """The TSO's part of the process. Assets in distribution go to their DSO, its own it tests itself."""

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
        self._cases: dict[str, _PendingTest] = {}
        self._fast: dict[str, tuple[float, float]] = {}  # unit -> MW up, down for aFRR, as asked last
        self._failed: dict[str, int] = {}  # ISPs in a row
        self._suspended: dict[str, int] = {}  # until second

    def on_assets(self, message: AssetsMessage) -> None:
        """A BSP asks: test what is on transmission, pass on the rest."""
        provider, now = message.provider, self._context.now()
        if provider in self._suspended and self._suspended[provider] > now:
            self._answer(message, (), 0, "suspended for repeated non-delivery")
            return
        systems = {u.system for u in message.units}
        case = self._cases[provider] = _PendingTest(message, systems - {TSO})
        tested, case.reasons = self._test([u for u in message.units if u.system == TSO])
        case.units = list(tested)
        for system in sorted(case.waiting):
            part = tuple(u for u in message.units if u.system == system)
            receiver = self._operators[system]
            self._context.send(
                AssetsMessage(
                    self._name, receiver, message.isp, provider=provider, service=message.service, units=part
                )
            )
        if not case.waiting:
            self._close(case)

    def on_asset_result(self, message: AssetResultMessage) -> None:
        """A DSO has tested its part."""
        case = self._cases[message.provider]
        case.units += message.units
        case.reasons |= message.reasons
        case.waiting -= {s for s, operator in self._operators.items() if operator == message.sender}
        if not case.waiting:
            self._close(case)

    def on_revision(self, message: RevisionMessage) -> None:
        """A DSO's study lets units sell more or less than they were entered with."""
        provider, now = message.provider, self._context.now()
        able = [u for u in message.units if u.up_mw > 0 or u.down_mw > 0]
        self.register.enter(provider, able, [self._fast_mw(u) for u in able], now, ())
        self.register.remove(provider, [u.name for u in message.units if u not in able])
        for unit in message.units:
            self._record(
                message.isp,
                provider,
                unit.system,
                unit.name,
                "",
                "revised",
                unit.up_mw,
                unit.down_mw,
                message.reasons[unit.name],
            )

    def _fast_mw(self, unit: RegisteredUnit) -> tuple[float, float]:
        """What a unit may move within the full activation time of aFRR, no more than it may at all."""
        up, down = self._fast[unit.name]
        return min(up, unit.up_mw), min(down, unit.down_mw)

    def judge(self, isp: int, ordered_mw: Mapping[Place, float], delivered_mw: Mapping[Place, float]) -> None:
        """Count ISPs in a row in which a group missed the band of -10 % and +20 %; withdraw at the limit.

        A group misses it where it does in any place (MW in the direction of the place).
        """
        kept: dict[str, bool] = {}
        for place, ordered in ordered_mw.items():
            if ordered >= TELLING_MW:
                good = within_band(np.array([ordered]), np.array([delivered_mw[place]]))[0]
                kept[place[0]] = kept.get(place[0], True) and bool(good)
        for provider, good in kept.items():
            self._failed[provider] = 0 if good else self._failed.get(provider, 0) + 1
            if self._failed[provider] >= self.rules.strikes:
                self._withdraw(isp, provider)

    def _withdraw(self, isp: int, provider: str) -> None:
        self._failed[provider] = 0
        lost = self.register.withdraw(provider, "mFRR")
        self._suspended[provider] = self._context.now() + self.rules.suspension_s
        reason = f"delivered outside the band in {self.rules.strikes} ISPs in a row"
        for service in lost:
            self._record(isp, provider, "", "", service, "withdrawn", 0.0, 0.0, reason)
        if lost:
            self._context.send(QualificationMessage(self._name, provider, isp, reason=reason))

    def _close(self, case: _PendingTest) -> None:
        asked, now = case.asked, self._context.now()
        del self._cases[asked.provider]
        self._fast |= {u.name: f for u, f in zip(asked.units, asked.fast_mw, strict=True)}
        if self._suspended.get(asked.provider, now) > now:
            self._answer(asked, (), 0, "suspended for repeated non-delivery")
            return
        units = sorted((u for u in case.units if u.up_mw > 0 or u.down_mw > 0), key=lambda u: u.name)
        until = now + self.rules.valid_s
        limited = [self._fast_mw(u) for u in units]
        granted = implied_by(asked.service) if units else ()
        self.register.enter(asked.provider, units, limited, until, granted[:1])
        passed = {u.name: u for u in units}
        self.register.remove(asked.provider, [u.name for u in asked.units if u.name not in passed])
        for unit in asked.units:
            event = "qualified" if unit.name in passed else "refused"
            found = passed.get(
                unit.name,
                RegisteredUnit(name=unit.name, system=unit.system, node=unit.node, up_mw=0.0, down_mw=0.0),
            )
            self._record(
                asked.isp,
                asked.provider,
                unit.system,
                unit.name,
                "",
                event,
                found.up_mw,
                found.down_mw,
                case.reasons.get(unit.name, ""),
            )
        for service in granted:
            event = "qualified" if service == asked.service else "implied"
            up, down = (self.register.pool_mw(asked.provider, d, service) for d in (UP, -UP))
            self._record(asked.isp, asked.provider, "", "", service, event, up, down, "")
        self._answer(asked, granted, until if granted else 0, "" if granted else "no unit passed its test")

    def _answer(self, asked: AssetsMessage, services: tuple[Service, ...], until: int, reason: str) -> None:
        self._context.send(
            QualificationMessage(
                self._name, asked.provider, asked.isp, services=services, until_s=until, reason=reason
            )
        )
        if not services:
            self._record(asked.isp, asked.provider, "", "", asked.service, "refused", 0.0, 0.0, reason)

    def _record(
        self,
        isp: int,
        provider: str,
        system: str,
        unit: str,
        service: str,
        event: str,
        up: float,
        down: float,
        reason: str,
    ) -> None:
        self._context.record(
            "flexibility_register",
            {
                "isp": isp,
                "provider": provider,
                "system": system,
                "unit": unit,
                "service": service,
                "event": event,
                "up_mw": up,
                "down_mw": down,
                "reason": reason,
            },
        )


class Applicant:
    """A BSP's side: asks when its group is not qualified, or will not be for long."""

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

    def apply(self, isp: int) -> None:
        """Ask for qualification if it is needed."""
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

    def on_qualification(self, message: QualificationMessage) -> None:
        """Take the answer, or the news of a withdrawal."""
        self._until_s = message.until_s if message.services else None
