"""Check that this machine has the memory that a scenario needs, before the model is built.

The bytes below are rounded up from the growth of resident memory over builds and first ISPs of `reference`
(x86-64, Python 3.11) with 10 000 to 1 000 000 households, 1 to 250 days, 10 to 1000 pools and 2 to 20 pools
per bus.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tandem_sim.grids.errors import InputError, present
from tandem_sim.sim.scenario.scenario import Scenario

GIB = 1 << 30
BASE = 600 << 20
"""Bytes of the interpreter, the libraries and grids of some hundred buses."""
PER_HOUSEHOLD = 1500
PER_PORTFOLIO = 40_000
"""Bytes of a pool at one bus, with its bids of an ISP."""
PER_POOL = 30_000
PER_ISP = 2000
"""Bytes of the measured profiles of an ISP."""
PER_NUMBER = 8
"""Bytes of a number of an array."""
CGROUP = Path("/sys/fs/cgroup")


def needed_bytes(scenario: Scenario, sites: int, buses: int, isps: int) -> dict[str, int]:
    """Approximate bytes that a scenario needs, by the field it grows with; ``name`` is the constant part.

    `sites` are buses with households, `buses` those of the transmission grid, with loads and incidents in
    every ISP.
    """
    lv_feeders = sum(lv_feeder.copies for lv_feeder in scenario.low_voltage)
    households = present(scenario.households, "the number of households")  # of a table that of its rows
    injections = sum(len(grid.injections) for grid in (scenario.transmission, *scenario.distribution))
    own_profiles = len(scenario.population.load_profiles) + len(scenario.population.pv_profiles)
    portfolios = min((sites + lv_feeders) * scenario.aggregators_per_bus, households)
    return {
        "name": BASE,
        "households": PER_HOUSEHOLD * households,
        "aggregators_per_bus": PER_PORTFOLIO * portfolios,
        "aggregators": PER_POOL * len(scenario.pools),
        "days": (PER_ISP + PER_NUMBER * (2 * buses + own_profiles + 2 * injections)) * isps,
    }


def check_memory(scenario: Scenario, sites: int, buses: int, isps: int) -> None:
    """Raise an `InputError` for a scenario that needs more memory than the machine has."""
    most = machine_bytes()
    needed = needed_bytes(scenario, sites, buses, isps)
    whole = sum(needed.values())
    if most is None or whole <= most:
        return
    largest = max(needed, key=lambda field: needed[field] if field != "name" else 0)
    raise InputError(
        "scenario",
        largest,
        f"would need about {whole / GIB:.1f} GiB of memory, and there are {most / GIB:.1f} GiB "
        f"({needed[largest] / GIB:.1f} GiB grow with this field)",
        "Lower it, or run on a machine with more memory",
    )


def machine_bytes() -> int | None:
    """Memory (bytes) of this machine, or the limit of its control group (container); None if unknown."""
    limits = [limit for path in _limit_files() if (limit := _limit_in(path)) is not None]
    with suppress(AttributeError, ValueError, OSError):  # no such system call, or no such name
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min((limit for limit in limits if limit > 0), default=None)


def _limit_files() -> Iterator[Path]:
    """Linux files with the memory limits of the control group of this process and of those above."""
    try:
        groups = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in groups:
        _, controllers, group = line.split(":", 2)
        name, root = (
            ("memory.max", CGROUP) if not controllers else ("memory.limit_in_bytes", CGROUP / "memory")
        )
        if controllers in ("", "memory"):
            own = Path(group.strip("/"))
            yield from (root / above / name for above in (own, *own.parents))


def _limit_in(path: Path) -> int | None:
    """The limit (bytes) in a system file; None without one."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None  # "max" is none
