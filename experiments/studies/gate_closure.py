"""How early gates may close: forecast error against lead times.

``python -m tandem_sim.experiments.studies.gate_closure --out docs/studies`` runs a day of `reference` with
all lead times of intraday gates multiplied by the same factor, by forecast error, scheme and seed. Regret is
what a run truly costs more than the same run with perfect forecasts. Runs that are in `--runs` already are
not repeated. Writes ``gate_closure.csv`` (a row per run), ``gate_closure_summary.csv`` (means and paired
intervals), ``gate_closure_tables.md`` and ``gate_closure.png``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from matplotlib.axes import Axes

from tandem_sim.experiments.plot_style import (
    BLUE,
    DARK,
    GREEN,
    ORANGE,
    RED,
    house_style,
    new_figure,
    save,
    zero_line,
)
from tandem_sim.experiments.studies.paired_runs import (
    EXTRA_COST,
    Column,
    Planned,
    Wanted,
    made,
    paired,
    planned,
    table,
)
from tandem_sim.sim.sections import GateSettings

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
MAPES = (0.0, 0.015, 0.03, 0.06)
MAIN = ("multilevel-03", "common")
"""Schemes run at all factors and errors."""
OTHERS = ("central-01", "hybrid")
OTHER_FACTORS, OTHER_MAPES = (0.25, 1.0, 4.0), (0.0, 0.03)
MAPE = 0.03
"""The default of `forecast.mape`, at which schemes are compared."""
CLEAR_MIN = GateSettings().tso_clear
"""Minutes ahead of delivery at which the TSO's market clears at factor 1."""


def gates(factor: float) -> dict[str, float]:
    """Fields of all intraday gates: their default lead times (minutes) times `factor`."""
    return {f"gates.{name}": factor * lead for name, lead in GateSettings().minutes().items()}


@dataclass(frozen=True)
class Setting:
    """What a run varies besides its seed."""

    scheme: str
    factor: float
    mape: float

    @property
    def fields(self) -> dict[str, Any]:
        """Fields of the scenario."""
        return {"scheme": self.scheme, "forecast.mape": self.mape, **gates(self.factor)}

    @property
    def reference(self) -> Setting:
        """Perfect forecasts at the same gates; for these themselves, the default gates."""
        return Setting(self.scheme, self.factor if self.mape > 0.0 else 1.0, 0.0)


KEYS = ("scheme", "factor", "mape")
MEASURES = (
    EXTRA_COST, "true_cost_eur", "imbalance_before_mwh", "imbalance_after_mwh", "bought_mwh", "unneeded_mwh",
    "unneeded_pct", "wrong_mwh", "wrong_pct", "countered_mwh", "countered_pct", "missing_mwh", "left_mwh",
    "reserve_up_mwh", "reserve_down_mwh", "afrr_energy_cost_eur", "reserve_bids_stopped", "closing_mwh",
    "closing_beyond_bids_mwh", "closing_eur", "brps_eur", "above_day_ahead_eur", "tso_eur",
    "tso_and_closing_eur", "dsos_eur", "procurement_cost_eur", "relief_mwh", "relief_unneeded_mwh",
    "relief_unneeded_pct", "relief_missed", "bought_by_dsos_mwh", "conflict_undone_at_node_mwh",
    "violated_isps", "violated_isps_created", "max_overload_pct", "delivered_pct", "unserved_mwh",
)  # fmt: skip


def settings() -> Iterator[Setting]:
    """All settings, references among them."""
    for schemes, factors, mapes in ((MAIN, FACTORS, MAPES), (OTHERS, OTHER_FACTORS, OTHER_MAPES)):
        for scheme in schemes:
            for factor in factors:
                for mape in mapes:
                    yield Setting(scheme, factor, mape)


def plan(seeds: int) -> list[Planned]:
    """The runs: all settings at seeds from 1 on."""
    return planned([
        Wanted(
            {**asdict(setting), "seed": seed},
            setting.fields | {"seed": seed},
            setting.reference.fields | {"seed": seed},
        )
        for setting in settings()
        for seed in range(1, seeds + 1)
    ])  # fmt: skip


def is_setting(spread: pd.DataFrame, setting: Setting) -> pd.Series:
    """Which rows are of a setting."""
    return spread[list(KEYS)].eq(pd.Series(asdict(setting))).all(axis=1)


def _line(
    ax: Axes, spread: pd.DataFrame, measure: str, line: Mapping[float, Setting], look: tuple[str, str, str],
    *, difference: bool,
) -> None:  # fmt: skip
    """A measure, or its difference to perfect forecasts, by lead; `look` is label, colour and dash."""
    rows = pd.concat([spread[is_setting(spread, one) & (spread.measure == measure)] for one in line.values()])
    names = ("difference", "difference_low", "difference_high") if difference else ("mean", "low", "high")
    middle, low, high = (rows[name] for name in names)
    label, colour, dash = look
    ax.plot(list(line), middle, dash, marker="o", markersize=4, color=colour, label=label)
    ax.vlines(list(line), low, high, color=colour, alpha=0.5)


def _leads(scheme: str, mape: float, factors: tuple[float, ...], shift: float) -> dict[float, Setting]:
    """Settings of a line by minutes ahead, a little aside so that intervals do not hide each other."""
    return {CLEAR_MIN * factor * 2.0**shift: Setting(scheme, factor, mape) for factor in factors}


ERRORS = {0.015: GREEN, 0.03: BLUE, 0.06: RED}
SCHEMES = {
    "multilevel-03": (BLUE, "-"),
    "common": (RED, "--"),
    "central-01": (GREEN, ":"),
    "hybrid": (ORANGE, "-."),
}
PAYERS = {
    "brps_eur": ("BRPs", BLUE, "-"),
    "tso_and_closing_eur": ("TSO", RED, "--"),
    "dsos_eur": ("DSOs", GREEN, ":"),
}


def _by_error(ax: Axes, spread: pd.DataFrame, measure: str, scheme: str, dash: str = "-") -> None:
    for k, (mape, colour) in enumerate(ERRORS.items()):
        label = f"error {100 * mape:g} %" if dash == "-" else ""
        line = _leads(scheme, mape, FACTORS, 0.08 * (k - 1))
        _line(ax, spread, measure, line, (label, colour, dash), difference=False)


def figure(spread: pd.DataFrame, folder: Path) -> Path:
    """Regret by lead, error and scheme; energy bought the wrong way; who pays; limits broken."""
    with house_style():
        drawn = new_figure("Forecast error against gate closure", "reference, 18 April 2016", 14.0, 8.0, (
            "Lines across: 95 % over seeds (of differences to perfect forecasts at the same seed and gates). "
        ))  # fmt: skip
        (one, two, three), (four, five, six) = drawn.subplots(2, 3)
        for ax, scheme in zip((one, two), MAIN, strict=True):
            _by_error(ax, spread, EXTRA_COST, scheme)
            ax.set_title(f"Regret, {scheme}")
            ax.set_ylabel("EUR a day")
        _by_error(four, spread, "unneeded_pct", MAIN[0])
        _by_error(four, spread, "countered_pct", MAIN[0], dash="--")
        four.plot([], [], "--", color=DARK, label="of it undone by the reserve")
        four.set_title(f"Bought and not needed, {MAIN[0]}")
        four.set_ylabel("% of what markets buy, net")
        for k, (scheme, (colour, dash)) in enumerate(SCHEMES.items()):
            line = _leads(scheme, MAPE, FACTORS if scheme in MAIN else OTHER_FACTORS, 0.08 * (k - 1.5))
            for ax, measure in ((three, EXTRA_COST), (six, "violated_isps")):
                _line(ax, spread, measure, line, (scheme, colour, dash), difference=False)
        three.set_title(f"Regret by scheme, error {100 * MAPE:g} %")
        three.set_ylabel("EUR a day")
        six.set_title(f"ISPs with a limit broken, error {100 * MAPE:g} %")
        six.set_ylabel("of 96 ISPs")
        for k, (measure, look) in enumerate(PAYERS.items()):
            _line(
                five, spread, measure, _leads(MAIN[0], MAPE, FACTORS, 0.08 * (k - 1)), look, difference=True
            )
        five.set_title(f"Paid more than with perfect forecasts, {MAIN[0]}, {100 * MAPE:g} %")
        five.set_ylabel("EUR a day")
        for ax in (one, two, three, four, five, six):
            ax.set_xscale("log", base=2)
            ax.set_xticks([CLEAR_MIN * f for f in FACTORS], [f"{CLEAR_MIN * f:.3g}" for f in FACTORS])
            ax.margins(x=0.06)
            ax.set_xlabel("the TSO's market clears so many minutes ahead")
            zero_line(ax)
            ax.legend(loc="best")
        return save(drawn, folder / "gate_closure.png")


HEADS = ("scheme", "clears, min ahead", "error, %")
REGRET = (
    Column("imbalance before, MWh", "imbalance_before_mwh"),
    Column("left to the reserve, MWh", "left_mwh", decimals=1), Column("regret, EUR", EXTRA_COST),
    Column("paid for the reserve, EUR", "afrr_energy_cost_eur"),
)  # fmt: skip
COUNTER = (
    Column("bought, net, MWh", "bought_mwh"), Column("unneeded, %", "unneeded_pct", decimals=1),
    Column("the wrong way, %", "wrong_pct", decimals=1),
    Column("undone by the reserve, %", "countered_pct", decimals=1),
    Column("relief, MWh", "relief_mwh", decimals=1), Column("of it unneeded, %", "relief_unneeded_pct"),
    Column("bought by DSOs, MWh", "bought_by_dsos_mwh", decimals=1),
    Column("of it undone by the TSO, MWh", "conflict_undone_at_node_mwh", decimals=1),
)  # fmt: skip
EXPOSED = (
    Column("BRPs, EUR", "brps_eur", True), Column("TSO, EUR", "tso_and_closing_eur", True),
    Column("DSOs, EUR", "dsos_eur", True), Column("BRPs above day-ahead, EUR", "above_day_ahead_eur"),
    Column("ISPs with a limit broken", "violated_isps", decimals=1),
    Column("more than with perfect forecasts", "violated_isps", True, 1),
    Column("broken by activation", "violated_isps_created", decimals=1),
    Column("relief missed", "relief_missed", decimals=1),
)  # fmt: skip
PERFECT = (
    Column("cost more than at factor 1, EUR", EXTRA_COST),
    Column("left to the reserve, MWh", "left_mwh", decimals=1), Column("bought, net, MWh", "bought_mwh"),
    Column("delivered, %", "delivered_pct", decimals=1),
    Column("ISPs with a limit broken", "violated_isps", decimals=1),
)  # fmt: skip


def tables(spread: pd.DataFrame) -> str:
    """All tables of the page, from the rows of `paired`."""
    every = list(settings())
    parts = {
        "Regret": (REGRET, [one for one in every if one.mape > 0.0]),
        "Counter-activation": (COUNTER, [one for one in every if one.scheme in MAIN or one.mape == MAPE]),
        "Who is exposed (EUR a day more than with perfect forecasts at the same gates)": (
            EXPOSED, [one for one in every if one.mape > 0.0],
        ),
        "Early gates with perfect forecasts": (PERFECT, [one for one in every if one.mape == 0.0]),
    }  # fmt: skip
    return "\n".join(
        f"## {title}\n"
        + table(spread, HEADS, {_labels(one): is_setting(spread, one) for one in some}, columns)
        for title, (columns, some) in parts.items()
    )


def _labels(setting: Setting) -> tuple[str, ...]:
    return setting.scheme, f"{CLEAR_MIN * setting.factor:.3g}", f"{100.0 * setting.mape:g}"


def main(
    out: Annotated[Path, typer.Option(help="Folder for tables and figure.")] = Path(
        "runs/studies/gate_closure"
    ),
    runs: Annotated[Path, typer.Option(help="Folder for the runs.")] = Path("runs/studies/balance"),
    workers: Annotated[int | None, typer.Option(help="Processes. [default: one a core]")] = None,
    seeds: Annotated[int, typer.Option(help="Seeds of every setting.")] = 5,
) -> None:
    """Run what is missing and write tables and figure."""
    out.mkdir(parents=True, exist_ok=True)
    rows = made(plan(seeds), runs, workers)
    spread = paired(rows, KEYS, MEASURES)
    rows.to_csv(out / "gate_closure.csv", index=False, float_format="%.4f", lineterminator="\n")
    spread.to_csv(out / "gate_closure_summary.csv", index=False, float_format="%.4f", lineterminator="\n")
    (out / "gate_closure_tables.md").write_text(tables(spread), encoding="utf-8")
    figure(spread, out)
    print(tables(spread))


if __name__ == "__main__":
    typer.run(main)
