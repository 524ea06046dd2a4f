"""The page on data of one's own: its snippets run as they are, one after the other, in an empty folder."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tandem_sim.experiments.cli.app import main

PAGE = Path(__file__).parents[2] / "docs" / "own_data.md"
NAME = re.compile(r"# (\S+)\n")


def _blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the page."""
    path = tmp_path_factory.mktemp("own")
    (program,) = _blocks("python")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        exec(compile(program, "own_data.md", "exec"), {})
    for text in _blocks("yaml"):
        if (name := NAME.match(text)) is not None:
            (path / name.group(1)).write_text(text, encoding="utf-8")
    return path


def test_commands_of_the_page_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    said = []
    for line in (line for block in _blocks("console") for line in block.splitlines()):
        monkeypatch.setattr("sys.argv", shlex.split(line))
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code in (None, 0), line
        said.append(capsys.readouterr().out)
    assert "follows a profile of the scenario" in " ".join(said[0].split())
    assert re.search(r"wind +MW +2021-02-28 23:00", said[0])
    kpis = json.loads((folder / "runs" / "priced" / "kpis.json").read_text(encoding="utf-8"))
    assert (kpis["day_ahead_price_given"], kpis["imbalance_price_given"]) == (1, 0)
    price = pd.read_parquet(folder / "runs" / "priced" / "system.parquet").day_ahead_price_eur_per_mwh
    np.testing.assert_allclose(price.iloc[::4], pd.read_csv(folder / "own.csv").price.iloc[:48], rtol=1e-12)
    assert "section 4" in said[2]  # 11 MW on a cable of 9.4 MVA


def test_keys_of_the_page_are_those_of_the_schema() -> None:
    from tandem_sim.sim.scenario.series_sections import ProfileSettings

    rows = re.findall(r"^\| (`.*?) \|", PAGE.read_text(encoding="utf-8").split("### Times")[0], re.MULTILINE)
    named = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert set(ProfileSettings.model_fields) - {"resolution"} <= named
