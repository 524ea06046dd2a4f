"""Response time of the command line, compared with the import of one of its libraries."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence

from tandem_sim.experiments.bench.figure import Figure

TURNS = 3
SHARE = 0.1
"""Target of the processor time, as a share of that of importing pandapower."""
ANSWERS: dict[str, tuple[tuple[str, ...], Mapping[str, str]]] = {
    "tandem --help": (("--help",), {}),
    "tandem --version": (("--version",), {}),
    "tandem run --sheme (a typing error)": (("run", "--sheme"), {}),
    "completion of a field": (
        (),
        {"_TANDEM_COMPLETE": "complete_bash", "COMP_WORDS": "tandem run x --set dso.", "COMP_CWORD": "4"},
    ),
}


def start() -> list[Figure]:
    """Processor time of new interpreters, the least of several turns."""
    least: dict[str, float] = {}
    for _ in range(TURNS):
        least["pandapower"] = min(_cpu_ms(["-c", "import pandapower"]), least.get("pandapower", float("inf")))
        for name, (arguments, environment) in ANSWERS.items():
            code = f"import sys; sys.argv = {['tandem', *arguments]!r}; "
            code += "from tandem_sim.experiments.cli import main; main()"
            took = _cpu_ms(["-c", code], environment)
            least[name] = min(took, least.get(name, float("inf")))
    against = least.pop("pandapower")
    return [
        Figure(
            name=name,
            value=took,
            unit="ms",
            target=SHARE * against,
            better="lower",
            limit=against,
            against="import pandapower",
        )
        for name, took in least.items()
    ]


def _cpu_ms(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> float:
    """Processor time of an interpreter in milliseconds, the system's part with it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000.0 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
