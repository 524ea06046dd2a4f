"""Student's t intervals over seeds, of differences seed by seed; mean and range over seeds of series."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
METHOD = "Student's t interval of the mean over seeds; of differences, paired by seed"
LEVEL = 0.95
FEWEST = 2
"""With fewer seeds there is no interval."""


def spread(values: FloatArray, differences: FloatArray) -> dict[str, float]:
    """Statistics of values and of paired differences over seeds; NaN is left out.

    Keys: `n` (seeds with a value), `mean`, `low`, `high`; `pairs` (seeds with a difference), `difference`,
    `difference_low`, `difference_high`. The ends are those of `interval`.
    """
    found: dict[str, float] = {}
    for sample, names in (
        (values, ("n", "mean", "low", "high")),
        (differences, ("pairs", "difference", "difference_low", "difference_high")),
    ):
        some = sample[~np.isnan(sample)]
        found |= dict(zip(names, (len(some), *interval(some)), strict=True))
    return found


def interval(values: FloatArray, level: float = LEVEL) -> tuple[float, float, float]:
    """Mean of `values` (n,), one per seed, and the ends of its interval, in their unit.

    The ends are the mean less and plus the quantile of Student's t with n - 1 degrees of freedom times the
    standard error. Of values that are spread normally the interval holds the true mean in a share `level` of
    cases, however few they are; of others it is an approximation. The ends are NaN with fewer than `FEWEST`
    values, the mean too with none.
    """
    from scipy.stats import t as student  # slow to import, and few need it

    n = len(values)
    if n < FEWEST:
        return (float(values[0]) if n else float("nan")), float("nan"), float("nan")
    mean = float(values.mean())
    half = float(student.ppf(0.5 + level / 2.0, n - 1) * values.std(ddof=1) / np.sqrt(n))
    return mean, mean - half, mean + half


def mean_and_range(rows: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean, least and largest over runs, place by place; empty where no run has a value."""
    table = np.vstack(rows)
    known = np.isfinite(table)
    count = known.sum(axis=0)
    mean = np.full(table.shape[1], np.nan)
    np.divide(np.where(known, table, 0.0).sum(axis=0), count, out=mean, where=count > 0)
    low = np.where(count > 0, np.where(known, table, np.inf).min(axis=0), np.nan)
    high = np.where(count > 0, np.where(known, table, -np.inf).max(axis=0), np.nan)
    return mean, low, high
