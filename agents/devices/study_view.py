"""Devices in a network flexibility study: rated power, phases, and study status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tandem_sim.grids.types import BoolArray, FloatArray, IntArray
from tandem_sim.markets.choices import Region
from tandem_sim.markets.grid_checks.study_register import exempt

ORDINARY, EXEMPT = 0, 1


@dataclass(frozen=True)
class StudyTerms:
    """How a study groups devices of one pool, site and kind: by a region's rules and by application date.

    cohort_of (H,): 0 for households that applied before the run, k = 1, 2, ... for the k-th newcomers.
    """

    region: Region
    cohort_of: IntArray

    def statuses(self, owner: IntArray, kva: FloatArray, phases: IntArray) -> IntArray:
        """Study status of devices (D,): ordinary, exempt, or 2, 3, ... for newcomers."""
        cohort = self.cohort_of[owner]
        bound = np.where(cohort == 0, ORDINARY, cohort + EXEMPT)
        return np.where(exempt(self.region, kva, phases), EXEMPT, bound)


@dataclass(frozen=True)
class Devices:
    """All D devices one by one, kind by kind: group, kVA (rated, at unity power factor), phases (D,).

    generates (D,): those that can only be curtailed.
    """

    group: IntArray
    kva: FloatArray
    phases: IntArray
    generates: BoolArray

    @classmethod
    def join(
        cls,
        group: Sequence[IntArray],
        kva: Sequence[FloatArray],
        phases: IntArray,
        generates: Sequence[bool],
    ) -> Devices:
        """Devices from lists by kind; `phases` (D,) are those of all devices; `generates` is by kind."""
        sizes = [len(g) for g in group]
        of = np.concatenate(group).astype(np.int64)
        return cls(of, np.concatenate(kva), phases, np.repeat(np.asarray(generates, dtype=bool), sizes))

    def rated_kw(self, n_groups: int) -> dict[int, FloatArray]:
        """Rated power by group (G,), for up (1) and down (-1).

        PV can only be curtailed; all other devices count with their full power either way.
        """
        down = np.bincount(self.group, weights=self.kva, minlength=n_groups).astype(np.float64)
        movable = ~self.generates
        up = np.bincount(self.group[movable], weights=self.kva[movable], minlength=n_groups)
        return {1: up.astype(np.float64), -1: down}


def suffix(status: int) -> str:
    """Suffix of a group's name, so that units of different study status have different names."""
    return ("", "-exempt")[status] if status <= EXEMPT else f"-new{status - EXEMPT}"


def as_studied(
    terms: StudyTerms | None, owners: Sequence[IntArray], kva: Sequence[FloatArray], phases: IntArray
) -> list[IntArray]:
    """Study status of devices, listed by kind.

    `owners` are the households that have one, `kva` the rated power of their devices, `phases` (H,) those of
    households. Without a study all devices have status 0.
    """
    if terms is None:
        return [np.zeros(len(owner), dtype=np.int64) for owner in owners]
    return [terms.statuses(o, size, phases[o]) for o, size in zip(owners, kva, strict=True)]
