"""The independent operator of an integrated market."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import mesa
import numpy as np

from tandem_sim.agents.base.agent import AgentContext
from tandem_sim.agents.base.area import Area
from tandem_sim.agents.base.messages import Message, PlatformMessage
from tandem_sim.agents.operators.admission import Admission
from tandem_sim.agents.operators.operator import Ledgers, Operator
from tandem_sim.grids.power_flow.dc import DcModel, TransmissionGrid
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.markets.coordination.block import Scheme, Written
from tandem_sim.markets.coordination.state import wanted_mw
from tandem_sim.markets.orders.bids import Bids

RESULT = ("bids", "sold", "balancing", "need")
"""Entries of a state that are published when the market has cleared."""


class MarketOperator(Operator):
    """Runs the blocks that belong to no system operator: it owns nothing, and clears what it is sent."""

    party = "operator"

    def __init__(
        self,
        model: mesa.Model,
        *,
        name: str,
        context: AgentContext,
        scheme: Scheme,
        admission: Admission,
        ledgers: Ledgers,
        dc: DcModel,
        areas: Sequence[Area],
        interface_node: Mapping[str, int],
        operators: Mapping[str, str],
    ) -> None:
        """`operators` names the operator of every system."""
        super().__init__(
            model,
            name=name,
            context=context,
            system=T,
            scheme=scheme,
            admission=admission,
            ledgers=ledgers,
            operators=operators,
        )
        self._areas = list(areas)
        none = dict.fromkeys(interface_node, 0.0)
        self._blank = TransmissionGrid(dc, np.zeros(dc.network.n_nodes), dict(interface_node), none)
        self._last: TransmissionGrid | None = None

    def receive(self, message: Message) -> None:
        """Keep the TSO's latest grid, also one that comes after its gate."""
        if isinstance(message, PlatformMessage) and "grid" in message.entries and message.system == T:
            self._last = message.entries["grid"]
        super().receive(message)

    def close_books(self, isp: int) -> None:
        """Gate closure for all bids, those of companies included."""
        self.close_book(isp, [T, *(area.name for area in self._areas)])

    def refresh(self, isp: int) -> None:
        """It has no grid of its own to look at."""

    def complete(self, isp: int) -> None:
        """What was not sent is filled in; what companies want to buy is no longer the TSO's to balance.

        A company's shortage or surplus stands in the TSO's forecast. Its bid takes it out of the need, and
        what it buys puts it back in. A grid that is late is replaced by the last known one; before any has
        come the TSO's need is unknown, and companies trade alone.
        """
        self._complete_areas(isp, self._areas)
        state = self._states(isp)[T]
        grid: TransmissionGrid | None = state.get("grid", self._last)
        if grid is None:
            state["grid"] = self._blank
            return
        bids: Bids = state["bids"]
        taken_over = bids.injection_mw(wanted_mw(state), len(grid.p_mw))
        state["grid"] = replace(grid, p_mw=grid.p_mw - taken_over)

    def _pass_on(self, isp: int, written: Written) -> None:
        """Publish the result: the TSO gets all books and what was sold, each DSO those of its own area."""
        for system, values in self._states(isp).items():
            entries = {str(name): values[name] for name in RESULT if name in values}
            for receiver in dict.fromkeys([self._operators[T], self._operators[system]]):
                self.context.send(PlatformMessage(self.name, receiver, isp, system=system, entries=entries))
