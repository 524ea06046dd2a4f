"""The independent operator of an integrated market."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import mesa
import numpy as np

from tandem_sim.agents.base.area import Area
from tandem_sim.agents.base.messages import PlatformMessage
from tandem_sim.agents.base.subscriptions import at, on
from tandem_sim.agents.operators.operator import Operator, OperatorSetup
from tandem_sim.grids.power_flow.dc import DcModel, TransmissionGrid
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.markets.coordination.block import Written
from tandem_sim.markets.coordination.operator_state import SystemState
from tandem_sim.markets.coordination.state import wanted_mw

RESULT = ("bids", "sold", "balancing", "need")
"""Entries of an operator state that are published after the market has cleared."""


class MarketOperator(Operator):
    """Runs the blocks that belong to no system operator, on the entries that it receives."""

    party = "operator"

    def __init__(
        self,
        model: mesa.Model,
        *,
        setup: OperatorSetup,
        dc: DcModel,
        areas: Sequence[Area],
        interface_node: Mapping[str, int],
    ) -> None:
        """`interface_node` is the transmission node of every area."""
        super().__init__(model, setup, T)
        self._areas = list(areas)
        none = dict.fromkeys(interface_node, 0.0)
        self._blank = TransmissionGrid(dc, np.zeros(dc.network.n_nodes), dict(interface_node), none)
        self._last: TransmissionGrid | None = None

    @on(PlatformMessage)
    def on_platform(self, message: PlatformMessage) -> None:
        """Store the TSO's latest grid, also one that arrives after its gate."""
        if isinstance(message.entries, SystemState) and message.entries.knows("grid"):
            self._last = message.entries.grid
        self.on_state(message)

    @at("tso_close")
    def close_books(self, isp: int) -> None:
        """Gate closure for all bids, those of buying companies included."""
        self.close_book(isp, [T, *(area.name for area in self._areas)])

    @at("tso_clear")
    def clear_market(self, isp: int) -> None:
        """The one auction of all buyers."""
        self.act("tso_clear", isp)

    def refresh(self, isp: int) -> None:
        """It has no grid of its own to forecast."""

    def complete(self, isp: int) -> None:
        """Replace missing entries; take the volumes that companies bid for out of the TSO's need.

        The TSO's forecast contains the shortage or surplus of companies. Their bids take it out of the need,
        and their purchases put it back in. A missing grid is replaced by the last one received. Before the
        first one the TSO's need is unknown, and companies trade alone.
        """
        self._complete_areas(isp, self._areas)
        state, tso = self._state(isp), self._state(isp).tso
        grid = tso.grid if tso.knows("grid") else self._last
        if grid is None:
            state.update(T, SystemState(grid=self._blank))
            return
        taken_over = tso.bids.injection_mw(wanted_mw(tso), len(grid.p_mw))
        state.update(T, SystemState(grid=replace(grid, p_mw=grid.p_mw - taken_over)))

    def _share_results(self, isp: int, written: Written) -> None:
        """Publish the result: all books and sales to the TSO, those of its area to each DSO."""
        state = self._state(isp)
        for system in state:
            entries = state.of(system).part(RESULT)
            for receiver in dict.fromkeys([self._operators[T], self._operators[system]]):
                self.context.send(PlatformMessage(self.name, receiver, isp, system=system, entries=entries))
