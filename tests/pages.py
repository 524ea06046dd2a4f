"""Code blocks of README and docs, run as a reader would: one after the other, in one folder.

* A block of which the text before says ``Save this as `NAME` ``, or whose first line is ``# NAME``, is
  written into the file NAME. All of a page are there before the first block runs.
* ``python`` blocks share their names. Each line of a ``console`` block is a command of a shell. ``sql``
  blocks that are saved as no file are queries over the runs in runs/day.
* ``yaml`` and ``toml`` blocks must be readable. Blocks of other languages are only shown.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from sybil import Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser

ROOT = Path(__file__).resolve().parents[1]
LONG = "takes more than a minute"
OWN = "needs files of the reader"
NOT_RUN = {
    "pip install": "changes the environment",
    "make ": "changes the environment, or is a target of its own",
    "tandem --install-completion": "changes the reader's shell",
    "tandem run dutch": LONG,
    "tandem run belgian": LONG,
    "tandem run germany": LONG,
    "tandem run nfca-clash": LONG,
    "tandem run reference --days 60": LONG,
    "tandem sweep my_sweep.yaml": LONG,
    "tandem sweep non-firm-year": LONG,
    "tandem power reference": LONG,
    "tandem game alexander-a": LONG,
    "tandem convert FILE": OWN,
    "tandem run my_scenario.yaml --allow-code my_bids --out runs/mine": OWN,
    "dask ": "needs several machines",
    "python -m tandem_sim.experiments.studies": LONG,
    "import pandas as pd\n\nruns = (": "reads the results of a sweep that takes more than a minute",
    "import duckdb\n\nduckdb.sql(": "reads the results of a sweep that takes more than a minute",
}
"""What is not run, by its beginning, with the reason."""
BEFORE = {
    "docs/figures.md": "tandem run reference --scheme multilevel-03 --scheme central-01 "
    "--days 1 --out runs/reference && cp -r runs/reference/multilevel-03 runs/latest",
}
"""What a page says that the reader has, by the command that makes it."""
NAMED = re.compile(r"[Ss]ave this as `([\w.-]+)`[^`]*\Z")
FIRST_LINE = re.compile(r"# ([\w-]+\.\w+)\n")
LANGUAGES = ("python", "console", "sql", "yaml", "toml")


class Page:
    """A page whose blocks run in `folder`; `said` has the output of each command."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path, self.folder = path, folder
        self.said: dict[str, str] = {}
        runs: dict[str, Callable[[Example], None]] = {
            "python": PythonEvaluator(),
            "console": self._console,
            "sql": self._sql,
            "yaml": lambda example: _readable(yaml.safe_load, example),
            "toml": lambda example: _readable(tomllib.loads, example),
        }
        parsers = [CodeBlockParser(language=name, evaluator=runs[name]) for name in LANGUAGES]
        self.examples = list(Sybil(parsers=parsers).parse(path).examples())

    def run(self) -> Page:
        """Run every block; the first that fails raises."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            patch.syspath_prepend(str(self.folder))
            patch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
            patch.setenv("PYTHONPATH", str(ROOT))
            for example in self.examples:
                if (name := file_of(example)) is not None:
                    (self.folder / name).write_text(str(example.parsed), encoding="utf-8")
            if (made := BEFORE.get(os.path.relpath(self.path, ROOT))) is not None:
                self._shell(made)
            for example in self.examples:
                if reason_not_to_run(str(example.parsed)) is None:
                    example.evaluate()
        return self

    def _console(self, example: Example) -> None:
        for line in str(example.parsed).splitlines():
            if reason_not_to_run(line) is None:
                self._shell(line)

    def _sql(self, example: Example) -> None:
        if file_of(example) is not None:
            return  # a command of the page runs it
        query = self.folder / "block.sql"
        query.write_text(str(example.parsed), encoding="utf-8")
        self._shell('tandem query "$(cat block.sql)" runs/day/*/')

    def _shell(self, line: str) -> None:
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{self.path.name}: {line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        self.said[line] = done.stdout


def file_of(example: Example) -> str | None:
    """The name of the file that a block is saved as."""
    text = example.document.text[: example.start]
    found = NAMED.search(text[-400:]) or FIRST_LINE.match(str(example.parsed))
    return None if found is None else found[1]


def reason_not_to_run(text: str) -> str | None:
    """Why a line or a block is not run."""
    return next((reason for start, reason in NOT_RUN.items() if text.startswith(start)), None)


def _readable(read: Callable[[str], object], example: Example) -> None:
    read(str(example.parsed))
