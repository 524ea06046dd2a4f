"""Nominations: contracted aFRR capacity that BSPs will bid as energy, collected by the TSO until a gate."""

from __future__ import annotations

from dataclasses import dataclass, field

from tandem_sim.agents.base.agent import AgentContext
from tandem_sim.agents.base.messages import NominationMessage
from tandem_sim.agents.base.subscriptions import Role, at, on


@dataclass(kw_only=True)
class NominationBook(Role):
    """The TSO's nominations by ISP and BSP. Capacity not nominated in time counts as not offered."""

    name: str
    context: AgentContext
    nominated_mw: dict[tuple[int, str], tuple[float, float]] = field(default_factory=dict)  # up, down
    _open_from: int = 0  # first ISP whose gate is open

    @on(NominationMessage)
    def on_nomination(self, message: NominationMessage) -> None:
        """Store a nomination that arrived before its gate; record a late one."""
        if message.isp < self._open_from:
            about = f"{message.kind} from {message.sender}"
            late = {"party": self.name, "about": about, "consequence": message.if_lost}
            self.context.record("fallbacks", {"isp": message.isp, **late})
            return
        both = zip(message.up_mw.tolist(), message.down_mw.tolist(), strict=True)
        for k, pair in enumerate(both):
            self.nominated_mw[message.isp + k, message.sender] = pair

    @at("close_nominations")
    def close(self, day: range) -> None:
        """Gate closure for nominations of a day's ISPs."""
        self._open_from = day.stop

    def forget(self, isp: int) -> None:
        """Drop the nominations of an ISP that has been settled."""
        for key in [key for key in self.nominated_mw if key[0] == isp]:
            del self.nominated_mw[key]
