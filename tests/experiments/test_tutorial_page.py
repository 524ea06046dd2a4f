"""The tutorial: its commands run as they are, in order, with fewer households, days and seeds."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from tandem_sim.experiments.cli.app import main

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8")
SMALLER = (
    (r"^(tandem run .*)$", r"\1 --set days=1 --set households=200 --set isp_minutes=60 --no-figures"),
    (r"seeds: \[1, .*\]", "seeds: [1, 2]"),
    (r"set: \{days: 1\}", "set: {days: 1, households: 200, isp_minutes: 60}"),
    (r"T20:15", "T20:00"),  # ISPs are hours
    (r"--to 2016-04-20", "--to 2016-04-18T12:00"),
    (r"--bid \S+", "--bid L9.up"),  # which there is with few households too
)
FILE = re.compile(r"ave this as `(\S+)`:\n\n```\w+\n(.*?)```", re.DOTALL)


def test_commands_of_the_tutorial_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = PAGE
    for what, smaller in SMALLER:
        page, times = re.subn(what, smaller, page, flags=re.MULTILINE)
        assert times, what
    for name, text in FILE.findall(page):
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    said = {}
    for line in re.findall(
        r"^tandem .*$", "\n".join(re.findall(r"```console\n(.*?)```", page, re.DOTALL)), re.M
    ):
        words = [
            Path(found[1]).read_text(encoding="utf-8")
            if (found := re.fullmatch(r"\$\(cat (.*)\)", word))
            else word
            for word in shlex.split(line)
        ]
        monkeypatch.setattr("sys.argv", words)
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code in (None, 0), line
        said[line] = " ".join(capsys.readouterr().out.split())
    assert len(said) == 13
    told = "\n".join(said.values())
    assert "Gate closure: L9 offered" in told
    assert "dso.flow_margin=0.15" in told
    assert "seeds 1, 2" in told
    assert (tmp_path / "week.html").is_file()
    assert (tmp_path / "figures" / "limits_D2.png").is_file()
    assert len(pd.read_parquet(tmp_path / "runs" / "seeds" / "sweep.parquet")) == 4


def test_statements_of_the_tutorial_follow_from_its_outputs() -> None:
    """Percentages and intervals that the text quotes, from the numbers shown."""
    rows = dict(re.findall(r"^  (\w+) +(?:EUR|ISPs|% of rating|MWh) +(.*)$", PAGE, re.MULTILINE))
    held = [float(x) for x in re.findall(r"\d+\.\d", rows["held_back_mwh"])[:2]]
    assert round(100 * (held[1] / held[0] - 1)) == 12
    bought = [float(x) for x in re.findall(r"\d+\.\d", rows["bought_by_dsos_mwh"])[:2]]
    assert round(100 * (bought[1] / bought[0] - 1)) in (80, 81)
    assert "+344.7 [+213.7, +475.8]" in PAGE
    assert "345 EUR (95 % interval 214 to 476)" in PAGE
    assert "-49.4 [-86.1, -12.8]" in PAGE
    assert "49 percentage points (13 to 86)" in PAGE
