"""Memory of this process, as the system tells it."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

MAXRSS_PER_MIB = 1 << 20 if sys.platform == "darwin" else 1 << 10
"""macOS counts the peak in bytes, Linux in KiB."""


def peak_mib() -> float:
    """The most that this process has had, and on Linux what started it had by then."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MAXRSS_PER_MIB


def resident_mib() -> float:
    """What this process has now; NaN where the system does not tell (it does on Linux)."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return float("nan")
    return pages * resource.getpagesize() / (1 << 20)
