"""How early gates may close: forecast error against lead times.

``python -m tandem_sim.experiments.studies.paired.gate_closure --out docs/studies`` runs a day of `reference`
with all lead times of intraday gates multiplied by the same factor, by forecast error, scheme and seed.
Regret is what a run truly costs more than the same run with perfect forecasts. Runs that are in `--runs`
already are not repeated. Writes ``gate_closure.csv`` (a row per run), ``gate_closure_summary.csv`` (means and
paired intervals), ``gate_closure_tables.md`` and ``gate_closure.png``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from matplotlib.axes import Axes

from tandem_sim.experiments.figures.style import (
    BLUE,
    DARK,
    GREEN,
    RED,
    house_style,
    new_figure,
    save,
    zero_line,
)
from tandem_sim.experiments.studies.paired.runs import (
    EXTRA_COST,
    Column,
    Planned,
    Wanted,
    made,
    paired,
    planned,
    table,
)
from tandem_sim.sim.scenario.sections import GateSettings

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
FEW = (0.25, 1.0, 4.0)
MAIN = "multilevel-03"
MAPES: dict[float, tuple[float, ...]] = {0.0: FACTORS, 0.015: FEW, 0.03: FACTORS, 0.06: FEW}
"""Factors tried by forecast error, under `MAIN`."""
OTHERS = {"common": FEW, "central-01": FEW, "fragmented": FEW}
"""Factors tried by scheme, with perfect forecasts and those of `MAPE`. In `fragmented` the TSO buys of units
alone, whose energy does not come back later."""
MAPE = 0.03
"""The default of `forecast.mape`, at which schemes are compared."""
CALM = 0.015
"""Forecast error at which who pays is drawn: with larger ones a few ISPs of scarcity hide all else."""
MEAN, DIFFERENCE = ("mean", "low", "high"), ("difference", "difference_low", "difference_high")
"""Columns of `paired` that a line with intervals is drawn from."""
CLEAR_MIN = GateSettings().tso_clear
"""Minutes ahead of delivery at which the TSO's market clears at factor 1."""


def gates(factor: float) -> dict[str, float]:
    """Fields of all intraday gates: their default lead times (minutes) times `factor`."""
    return {f"gates.{name}": factor * lead for name, lead in GateSettings().minutes().items()}


@dataclass(frozen=True)
class LeadSetting:
    """What a run varies besides its seed."""

    scheme: str
    factor: float
    mape: float

    @property
    def fields(self) -> dict[str, Any]:
        """Fields of the scenario."""
        return {"scheme": self.scheme, "forecast.mape": self.mape, **gates(self.factor)}

    @property
    def reference(self) -> LeadSetting:
        """Perfect forecasts at the same gates; for these themselves, the default gates."""
        return LeadSetting(self.scheme, self.factor if self.mape > 0.0 else 1.0, 0.0)


KEYS = ("scheme", "factor", "mape")
BY_GATES = "regret_by_gates_eur"
"""Column of the regret that is more than with the shortest lead times."""
MEASURES = (
    EXTRA_COST,
    BY_GATES,
    "true_cost_eur",
    "imbalance_before_mwh",
    "imbalance_after_mwh",
    "bought_mwh",
    "unneeded_mwh",
    "unneeded_pct",
    "wrong_mwh",
    "wrong_pct",
    "countered_mwh",
    "countered_pct",
    "missing_mwh",
    "left_mwh",
    "reserve_up_mwh",
    "reserve_down_mwh",
    "afrr_energy_cost_eur",
    "reserve_bids_stopped",
    "closing_mwh",
    "closing_beyond_bids_mwh",
    "closing_eur",
    "brps_eur",
    "above_day_ahead_eur",
    "tso_eur",
    "tso_and_closing_eur",
    "dsos_eur",
    "procurement_cost_eur",
    "relief_mwh",
    "relief_unneeded_mwh",
    "relief_unneeded_pct",
    "relief_missed",
    "bought_by_dsos_mwh",
    "conflict_undone_at_node_mwh",
    "activated_from_distribution_mwh",
    "households_eur",
    "called_eur",
    "scheduled_eur",
    "price_up_eur_per_mwh",
    "price_down_eur_per_mwh",
    "violated_isps",
    "violated_isps_created",
    "max_overload_pct",
    "delivered_pct",
    "unserved_mwh",
)


def settings() -> Iterator[LeadSetting]:
    """All settings, references among them."""
    for mape, factors in MAPES.items():
        for factor in factors:
            yield LeadSetting(MAIN, factor, mape)
    for scheme, factors in OTHERS.items():
        for mape in (0.0, MAPE):
            for factor in factors:
                yield LeadSetting(scheme, factor, mape)


def plan(seeds: int) -> list[Planned]:
    """The runs: all settings at seeds from 1 on."""
    return planned(
        [
            Wanted(
                {**asdict(setting), "seed": seed},
                setting.fields | {"seed": seed},
                setting.reference.fields | {"seed": seed},
            )
            for setting in settings()
            for seed in range(1, seeds + 1)
        ]
    )


def by_gates(rows: pd.DataFrame) -> pd.Series:
    """How much more runs regret than with the shortest lead times at the same scheme, error and seed."""
    same = ["scheme", "mape", "seed"]
    shortest = rows[rows.factor == min(FACTORS)].set_index(same)[EXTRA_COST]
    others = shortest.loc[pd.MultiIndex.from_frame(rows[same])]
    return pd.Series(rows[EXTRA_COST].to_numpy() - others.to_numpy(), rows.index)


def is_setting(spread: pd.DataFrame, setting: LeadSetting) -> pd.Series:
    """Which rows are of a setting."""
    return spread[list(KEYS)].eq(pd.Series(asdict(setting))).all(axis=1)


def _line(
    ax: Axes,
    spread: pd.DataFrame,
    measure: str,
    line: Mapping[float, LeadSetting],
    look: tuple[str, str, str],
    names: Sequence[str] = MEAN,
) -> None:
    """A measure, or its difference to perfect forecasts, by lead; `look` is label, colour and dash."""
    rows = pd.concat([spread[is_setting(spread, one) & (spread.measure == measure)] for one in line.values()])
    middle, low, high = (rows[name] for name in names)
    label, colour, dash = look
    ax.plot(list(line), middle, dash, marker="o", markersize=4, color=colour, label=label)
    ax.vlines(list(line), low, high, color=colour, alpha=0.5)


def _leads(scheme: str, mape: float, shift: float) -> dict[float, LeadSetting]:
    """Settings of a line by minutes ahead, a little aside so that intervals do not hide each other."""
    factors = MAPES[mape] if scheme == MAIN else OTHERS[scheme]
    return {CLEAR_MIN * factor * 2.0**shift: LeadSetting(scheme, factor, mape) for factor in factors}


ERRORS = {0.015: GREEN, 0.03: BLUE, 0.06: RED}
SCHEMES = {
    "multilevel-03": (BLUE, "-"),
    "common": (RED, "--"),
    "central-01": (GREEN, ":"),
    "fragmented": (DARK, "-"),
}
PAYERS = {
    "brps_eur": ("BRPs", BLUE, "-"),
    "tso_and_closing_eur": ("TSO", RED, "--"),
    "dsos_eur": ("DSOs", GREEN, ":"),
}


def _by_error(ax: Axes, spread: pd.DataFrame, measure: str, scheme: str) -> None:
    for k, (mape, colour) in enumerate(ERRORS.items()):
        look = (f"error {100 * mape:g} %", colour, "-")
        _line(ax, spread, measure, _leads(scheme, mape, 0.08 * (k - 1)), look)


def _by_scheme(ax: Axes, spread: pd.DataFrame, measure: str) -> None:
    for k, (scheme, (colour, dash)) in enumerate(SCHEMES.items()):
        _line(ax, spread, measure, _leads(scheme, MAPE, 0.08 * (k - 2)), (scheme, colour, dash))


def figure(spread: pd.DataFrame, folder: Path) -> Path:
    """Regret by lead, error and scheme; what is left and not needed; who pays; limits broken."""
    error = f"error {100 * MAPE:g} %"
    with house_style():
        drawn = new_figure(
            "Forecast error against gate closure",
            "reference, 18 April 2016",
            14.0,
            8.0,
            ("Upright lines: 95 % over seeds (of differences at the same seed). "),
        )
        (one, two, three), (four, five, six) = drawn.subplots(2, 3)
        _by_error(one, spread, EXTRA_COST, MAIN)
        one.set_title(f"Regret, {MAIN}")
        one.set_ylabel("EUR a day")
        _by_scheme(two, spread, BY_GATES)
        two.set_title(f"... more than with the shortest lead times, {error}")
        two.set_ylabel("EUR a day")
        _by_error(three, spread, "left_mwh", MAIN)
        three.set_title(f"Left to the reserve, {MAIN}")
        three.set_ylabel("MWh a day")
        _by_error(four, spread, "unneeded_pct", MAIN)
        four.set_title(f"Bought and not needed, {MAIN}")
        four.set_ylabel("% of what markets buy, net")
        for k, (measure, look) in enumerate(PAYERS.items()):
            _line(five, spread, measure, _leads(MAIN, CALM, 0.08 * (k - 1)), look, DIFFERENCE)
        five.set_title(f"Paid more than with perfect forecasts, error {100 * CALM:g} %")
        five.set_ylabel(f"EUR a day, {MAIN}")
        _by_scheme(six, spread, "violated_isps")
        six.set_title(f"ISPs with a limit broken, {error}")
        six.set_ylabel("of 96 ISPs")
        six.margins(y=0.3)  # room for the legend
        six.set_ylim(bottom=0.0)
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
    Column("left to the reserve, MWh", "left_mwh", decimals=1),
    Column("from households, MWh", "activated_from_distribution_mwh"),
    Column("delivered, %", "delivered_pct", decimals=1),
    Column("regret, EUR", EXTRA_COST),
    Column("more than with the shortest lead times, EUR", BY_GATES),
    Column("paid for the reserve, EUR", "afrr_energy_cost_eur"),
)
COUNTER = (
    Column("bought, net, MWh", "bought_mwh"),
    Column("unneeded, %", "unneeded_pct", decimals=1),
    Column("the wrong way, %", "wrong_pct", decimals=1),
    Column("undone by the reserve, %", "countered_pct", decimals=1),
    Column("relief, MWh", "relief_mwh", decimals=1),
    Column("of it unneeded, %", "relief_unneeded_pct"),
    Column("bought by DSOs, MWh", "bought_by_dsos_mwh", decimals=1),
    Column("of it undone by the TSO, MWh", "conflict_undone_at_node_mwh", decimals=1),
)
EXPOSED = (
    Column("BRPs, EUR", "brps_eur", True),
    Column("TSO, EUR", "tso_and_closing_eur", True),
    Column("DSOs, EUR", "dsos_eur", True),
    Column("BRPs above day-ahead, EUR", "above_day_ahead_eur"),
    Column("ISPs with a limit broken", "violated_isps", decimals=1),
    Column("more than with perfect forecasts", "violated_isps", True, 1),
    Column("broken by activation", "violated_isps_created", decimals=1),
    Column("relief missed", "relief_missed", decimals=1),
)
PERFECT = (
    Column("cost more than at factor 1, EUR", EXTRA_COST),
    Column("left to the reserve, MWh", "left_mwh", decimals=1),
    Column("bought, net, MWh", "bought_mwh"),
    Column("delivered, %", "delivered_pct", decimals=1),
    Column("ISPs with a limit broken", "violated_isps", decimals=1),
)


def tables(spread: pd.DataFrame) -> str:
    """All tables of the page, from the rows of `paired`."""
    every = list(settings())
    parts = {
        "Regret": (REGRET, [one for one in every if one.mape > 0.0]),
        "Counter-activation": (COUNTER, every),
        "Who is exposed (EUR a day more than with perfect forecasts at the same gates)": (
            EXPOSED,
            [one for one in every if one.mape > 0.0],
        ),
        "Early gates with perfect forecasts": (PERFECT, [one for one in every if one.mape == 0.0]),
    }
    return "\n".join(
        f"## {title}\n"
        + table(spread, HEADS, {_labels(one): is_setting(spread, one) for one in some}, columns)
        for title, (columns, some) in parts.items()
    )


def _labels(setting: LeadSetting) -> tuple[str, ...]:
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
    rows[BY_GATES] = by_gates(rows)
    spread = paired(rows, KEYS, MEASURES)
    rows.to_csv(out / "gate_closure.csv", index=False, float_format="%.4f", lineterminator="\n")
    spread.to_csv(out / "gate_closure_summary.csv", index=False, float_format="%.4f", lineterminator="\n")
    (out / "gate_closure_tables.md").write_text(tables(spread), encoding="utf-8")
    figure(spread, out)
    print(tables(spread))


if __name__ == "__main__":
    typer.run(main)
