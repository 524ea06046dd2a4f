"""Memory of this process, as reported by the operating system."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

MAXRSS_PER_MIB = 1 << 20 if sys.platform == "darwin" else 1 << 10
"""macOS counts the peak in bytes, Linux in KiB."""


def peak_mib() -> float:
    """Peak memory of this process; on Linux also that of its parent before the start."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MAXRSS_PER_MIB


def resident_mib() -> float:
    """Current memory of this process; NaN if the system does not report it (Linux does)."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return float("nan")
    return pages * resource.getpagesize() / (1 << 20)
