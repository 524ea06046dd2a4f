"""Audit of non-firm contracts: limits are kept, and never applied more often or longer than agreed."""

from __future__ import annotations

import numpy as np

from tandem_sim.agents.devices.connection_limits import ConnectionLimits
from tandem_sim.agents.households.fleet import FleetStep
from tandem_sim.agents.non_firm.contracts import Contracts
from tandem_sim.grids.errors import AuditError
from tandem_sim.grids.tolerances import POWER_TOLERANCE_KW
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray


class NonFirmAudit:
    """Checks every contract in every ISP of a run, with counts independent of `ContractBook`."""

    def __init__(self, contracts: Contracts, year_of: IntArray) -> None:
        """`year_of` (T,) is the calendar year of every ISP."""
        self._contracts, self._year_of = contracts, year_of
        n = len(contracts)
        self._length = np.zeros(n, dtype=np.int64)  # ISPs in a row up to now
        self._begun = np.zeros(n, dtype=np.int64)  # activations in this year
        self._year = int(year_of[0]) if len(year_of) else 0

    def check(
        self,
        isp: int,
        step: FleetStep,
        whole: ConnectionLimits,
        activated: ConnectionLimits | None,
        active: BoolArray,
        traded: BoolArray,
    ) -> None:
        """Check one delivered ISP. Raises `AuditError`.

        `whole` are all limits that hold, `activated` those of them that were sent to households. `active`
        (C,) are activated contracts, `traded` (C,) connections that bought or sold curtailment.
        """
        kw = step.connection_kw
        self._refuse(isp, np.maximum(-kw - whole.import_kw, kw - whole.export_kw), "exceeds its limit by")
        if activated is not None:
            self._as_agreed(isp, activated, active, traded)
        self._count(isp, active)

    def _as_agreed(
        self, isp: int, connection_limits: ConnectionLimits, active: BoolArray, traded: BoolArray
    ) -> None:
        c = self._contracts
        for cap, least in (
            (connection_limits.import_kw, c.import_kw),
            (connection_limits.export_kw, c.export_kw),
        ):
            below = np.where(active & ~traded, least - cap, 0.0)
            self._refuse(isp, below, "is limited below its guaranteed capacity, by")
            stray = np.where(np.isfinite(cap) & ~active & ~traded, 1.0, 0.0)
            self._refuse(isp, stray, "is limited without an active contract;")

    def _count(self, isp: int, active: BoolArray) -> None:
        c, year = self._contracts, int(self._year_of[isp])
        if year != self._year:
            self._year = year
            self._begun[:] = 0
        self._length = np.where(active, self._length + 1, 0)
        self._begun += self._length == 1
        self._refuse(isp, np.where(active & ~c.held, 1.0, 0.0), "has no contract and is activated;")
        self._refuse(isp, self._length - c.longest, "is limited longer than agreed, by ISPs:")
        self._refuse(isp, self._begun - c.most, "is limited more often a year than agreed, by")

    def _refuse(self, isp: int, excess: FloatArray, what: str) -> None:
        if (excess > POWER_TOLERANCE_KW).any():
            k = int(np.argmax(excess))
            raise AuditError(f"ISP {isp}: {self._contracts.names[k]} {what} {excess[k]:g}")
