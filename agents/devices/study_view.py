"""Devices as a network flexibility study sees them: rated power, phases, and who is treated alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tandem_sim.agents.devices.population import Households
from tandem_sim.grids.types import FloatArray, IntArray
from tandem_sim.markets.choices import Region
from tandem_sim.markets.grid_checks.study_register import exempt

ORDINARY, EXEMPT = 0, 1


@dataclass(frozen=True)
class StudyTerms:
    """What tells devices of one pool, site and kind apart: the rules of a region, and when households ask.

    cohort_of (H,): 0 for those who have asked long ago, k = 1, 2, ... for the k-th newcomers.
    """

    region: Region
    cohort_of: IntArray

    def statuses(self, owner: IntArray, kva: FloatArray, phases: IntArray) -> IntArray:
        """Number by which devices (D,) are grouped: ordinary, exempt, or 2, 3, ... of newcomers."""
        cohort = self.cohort_of[owner]
        bound = np.where(cohort == 0, ORDINARY, cohort + EXEMPT)
        return np.where(exempt(self.region, kva, phases), EXEMPT, bound)


@dataclass(frozen=True)
class Devices:
    """All D devices one by one, kind by kind: group, kVA (rated, at unity power factor), phases (D,)."""

    group: IntArray
    kva: FloatArray
    phases: IntArray
    cuts: tuple[int, int, int]  # between PV, batteries, EVs and heat pumps

    @classmethod
    def join(cls, group: Sequence[IntArray], kva: Sequence[FloatArray], phases: IntArray) -> Devices:
        """Of what is known kind by kind; `phases` (D,) are those of all."""
        cuts = np.cumsum([len(g) for g in group]).tolist()
        of = np.concatenate(group).astype(np.int64)
        return cls(of, np.concatenate(kva), phases, (cuts[0], cuts[1], cuts[2]))

    def rated_kw(self, n_groups: int) -> dict[int, FloatArray]:
        """Rated power by group (G,), for up (1) and down (-1).

        PV can only be held back; batteries, EVs and heat pumps count with their full power either way.
        """
        down = np.bincount(self.group, weights=self.kva, minlength=n_groups).astype(np.float64)
        movable = slice(self.cuts[0], None)
        up = np.bincount(self.group[movable], weights=self.kva[movable], minlength=n_groups)
        return {1: up.astype(np.float64), -1: down}


def suffix(status: int) -> str:
    """What the name of a group ends with, so that units of different status have different names."""
    return ("", "-exempt")[status] if status <= EXEMPT else f"-new{status - EXEMPT}"


def as_studied(
    terms: StudyTerms | None, homes: Households, owners: Sequence[IntArray], phases_of: IntArray | None
) -> tuple[list[FloatArray], IntArray, list[IntArray]]:
    """Rated power of devices in kVA, phases of households (H,), and status of devices.

    Devices come kind by kind; `owners` are the households that have one. `phases_of` (H,) is what nets say
    of phases, 0 where none says anything. All stand alike where no study is made.
    """
    sizes = (homes.pv_kwp, homes.battery_kw, homes.ev_kw, homes.heat_pump_kw)
    kva = [size[owner] for size, owner in zip(sizes, owners, strict=True)]
    told = np.zeros(len(homes.phases), dtype=np.int64) if phases_of is None else phases_of
    phases = np.where(told > 0, told, homes.phases)
    if terms is None:
        return kva, phases, [np.zeros(len(owner), dtype=np.int64) for owner in owners]
    status = [terms.statuses(o, size, phases[o]) for o, size in zip(owners, kva, strict=True)]
    return kva, phases, status
