"""Commands called in a folder of a stranger: what lies there beside the input is not taken for a module."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import tandem_sim

ROOT = Path(tandem_sim.__file__).parents[1]
STANDARD = ("multiprocessing", "selectors", "signal", "struct", "socket", "pickle", "threading")
"""Modules that Python imports first thing where it starts a process for a worker."""
ASKED = """
from tandem_sim.experiments.sweeps.workers import in_processes

if __name__ == "__main__":
    print([ended.answer for ended in in_processes(len, ["four"], workers=1)])
"""


def test_a_worker_imports_nothing_from_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "stranger").mkdir()
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "command.py").write_text(ASKED, encoding="utf-8")
    canary = f"open({str(tmp_path / 'imported')!r}, 'w').close()\nraise SystemExit"
    for name in STANDARD:
        (tmp_path / "stranger" / f"{name}.py").write_text(canary, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, tmp_path / "own" / "command.py"],
        cwd=tmp_path / "stranger",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert not (tmp_path / "imported").exists()
    assert (done.returncode, done.stdout) == (0, "[4]\n"), done.stderr
