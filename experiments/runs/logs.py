"""Messages of Tandem while it works: on the terminal, and in the ``run.log`` of a run folder.

All go through `logging` under the name ``tandem_sim``; a program that imports Tandem sees them only if it
sets up logging.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tandem_sim.experiments.results.terminal_text import terminal_width

if TYPE_CHECKING:
    from rich.console import Console

    from tandem_sim.sim.scenario.scenario import Scenario

log = logging.getLogger(__name__)
ROOT = logging.getLogger("tandem_sim")
FORMAT = "%(asctime)s %(levelname)-7s %(message)s"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def log_to_terminal(verbose: int) -> None:
    """Messages on standard error: warnings; with `verbose` 1 also progress, with 2 or more every detail."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(FORMAT, datefmt="%H:%M:%S"))
    handler.setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)])
    for old in [h for h in ROOT.handlers if type(h) is logging.StreamHandler]:
        ROOT.removeHandler(old)
    ROOT.addHandler(handler)
    ROOT.setLevel(min(handler.level, ROOT.level or logging.WARNING))


class _LogFile(logging.FileHandler):
    """A log file. An error while writing, such as a full disk, ends the run and prints no traceback."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Raise the error again."""
        raise


@contextmanager
def log_to_file(path: Path) -> Iterator[None]:
    """Append messages of level info and above to a file within this context."""
    handler = _LogFile(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter(FORMAT))
    handler.setLevel(logging.INFO)
    level = ROOT.level
    ROOT.addHandler(handler)
    ROOT.setLevel(min(level or logging.INFO, logging.INFO))
    try:
        yield
    finally:
        ROOT.removeHandler(handler)
        ROOT.setLevel(level)
        handler.close()


def tell_unusual(scenario: Scenario) -> None:
    """A warning for every field outside its usual range, and what is given in place of what is modelled."""
    from tandem_sim.sim.inputs.notes import notes_of  # slow, and not every command reads a scenario

    for line in scenario.unusual:
        log.warning("unusual: %s", line)
    for line in notes_of(scenario):
        log.info("note: %s", line)


def terminal(quiet: bool = False) -> Console:
    """The console that results are printed to; with `quiet` it prints nothing.

    Names from files may contain escape sequences or marks that change the direction of writing. These are
    printed as a replacement character.
    """
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class Plain(Console):
        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(_plain(segment.text), segment.style)

    return Plain(width=None if sys.stdout.isatty() else terminal_width(), quiet=quiet)


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else REPLACEMENT for c in text)
