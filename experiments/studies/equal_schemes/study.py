"""Which schemes are the same: ``python -m tandem_sim.experiments.studies.equal_schemes.study [--out DIR]``.

Checks every statement of `statements` on many random cases and writes ``equal_schemes.md``, the page,
and ``equal_schemes.csv``, a row per statement and case. Same numbers of cases, same bytes.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from tandem_sim.experiments.studies.equal_schemes.checks import checked
from tandem_sim.experiments.studies.equal_schemes.page import page

PAGE, RESULTS = "equal_schemes.md", "equal_schemes.csv"


def main(
    out: Annotated[Path, typer.Option(help="Folder for page and table.")] = Path(
        "runs/studies/equal_schemes"
    ),
    small: Annotated[int, typer.Option(min=1, help="Small random cases.")] = 200,
    alexander: Annotated[int, typer.Option(min=1, help="Cases of the ALEXANDER study.")] = 40,
) -> None:
    """Check all statements, and write page and table."""
    out.mkdir(parents=True, exist_ok=True)
    counts = {"small": small, "ALEXANDER": alexander}
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("clearing", total=sum(counts.values()))
        results = checked(counts, partial(progress.advance, task))
    results.to_csv(out / RESULTS, index=False, lineterminator="\n")
    (out / PAGE).write_text(page(results), encoding="utf-8")
    wrong = results[results.met & ~results.same]
    if len(wrong):
        print(wrong.to_string())
    print(f"{len(wrong)} cases against a statement. Page and table: {out}")


if __name__ == "__main__":
    typer.run(main)
