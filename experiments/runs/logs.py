"""What Tandem tells while it works: on the terminal, and in the ``run.log`` of a run folder.

Everything goes through `logging`, under the name ``tandem_sim``: a program that imports Tandem sees nothing
unless it asks for it, as usual.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from tandem_sim.sim.scenario.scenario import Scenario

log = logging.getLogger(__name__)
ROOT = logging.getLogger("tandem_sim")
FORMAT = "%(asctime)s %(levelname)-7s %(message)s"
WIDE = 130
"""Columns where nobody looks: a file or a pipe has no width of its own."""
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def log_to_terminal(verbose: int) -> None:
    """Messages on standard error: warnings, with 1 what is being done, with 2 or more every detail."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(FORMAT, datefmt="%H:%M:%S"))
    handler.setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)])
    for old in [h for h in ROOT.handlers if type(h) is logging.StreamHandler]:
        ROOT.removeHandler(old)
    ROOT.addHandler(handler)
    ROOT.setLevel(min(handler.level, ROOT.level or logging.WARNING))


class _LogFile(logging.FileHandler):
    """A file whose disk is full ends the run like any other, and prints no traceback beside it."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Raise what writing has raised."""
        raise


@contextmanager
def log_to_file(path: Path) -> Iterator[None]:
    """Messages of the level info and above, added to the end of a file."""
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
    """A warning for every field whose value is accepted and outside what studies usually have."""
    for line in scenario.unusual:
        log.warning("unusual: %s", line)


def terminal(quiet: bool = False) -> Console:
    """Where results are shown; with `quiet`, nowhere.

    Names in files may hold what would change the terminal (escape sequences, marks that turn the direction of
    writing): it is shown as a replacement character.
    """
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class Plain(Console):
        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(_plain(segment.text), segment.style)

    return Plain(width=None if sys.stdout.isatty() else WIDE, quiet=quiet)


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else REPLACEMENT for c in text)
