"""The integrated market, in which companies buy beside the operators.

``python -m tandem_sim.experiments.studies.paired.integrated --out docs/studies`` runs a day of `reference`
under `integrated` for several limits that companies set to what they pay, and under `common`, `multilevel-03`
and `hybrid`, by forecast error and seed. Every figure is set against that of `common` at the same seed,
forecast error and pricing. Runs that are in `--runs` already are not repeated. Writes ``integrated.csv`` (a
row per run), ``integrated_summary.csv`` (means and paired intervals), ``integrated_tables.md`` and the
figure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from matplotlib.axes import Axes

from tandem_sim.experiments.figures.style import (
    CYCLE,
    DARK,
    GREEN,
    ORANGE,
    PURPLE,
    RED,
    SKY,
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

LATE: dict[str, Any] = {
    "gates.tso_close": 13.0,
    "gates.mol": 12.9,
    "gates.mol_validate": 12.8,
    "mol_rounds": 1,
}
"""The TSO sends its need half a minute before the market clears, not 12.5 minutes before."""
INTEGRATED, COMMON = "integrated", "common"
OTHERS = ("multilevel-03", "hybrid")
SPREAD = 50.0
"""EUR/MWh, the default of `willingness_spread`."""
MAPE = 0.03
MAPES = (0.015, 0.03, 0.06)
SPREADS = {0.015: (0.0, 20.0, 50.0), 0.03: (0.0, 20.0, 30.0, 50.0, 100.0), 0.06: (0.0, 20.0, 50.0)}
"""Spreads tried by forecast error. Units ask 25 EUR/MWh above and below their marginal cost."""
BID, CLEARED = "pay-as-bid", "pay-as-cleared"


@dataclass(frozen=True, kw_only=True)
class IntegratedSetting:
    """What a run varies besides its seed; `spread` is nan where companies do not buy."""

    scheme: str
    mape: float = MAPE
    spread: float = float("nan")
    pricing: str = BID
    upload: str = "at gate closure"

    @property
    def fields(self) -> dict[str, Any]:
        """Fields of the scenario."""
        fields = {
            "scheme": self.scheme,
            "forecast.mape": self.mape,
            "pricing": self.pricing,
            "reserve.pricing": self.pricing,
        }
        if self.scheme == INTEGRATED:
            fields["willingness_spread"] = self.spread
        return fields | (LATE if self.upload != "at gate closure" else {})

    @property
    def reference(self) -> IntegratedSetting:
        """What it is set against."""
        return IntegratedSetting(scheme=COMMON, mape=self.mape, pricing=self.pricing)


MAIN = (IntegratedSetting(scheme=COMMON), IntegratedSetting(scheme=INTEGRATED, spread=SPREAD))
"""Run at more seeds than the rest: what markets leave varies much from seed to seed."""
LATE_TWIN = IntegratedSetting(scheme=INTEGRATED, spread=SPREAD, upload="as it clears")
"""What of the difference is due to the age of the TSO's forecast."""
KEYS = ("scheme", "mape", "spread", "pricing", "upload")
MEASURES = (
    "imbalance_before_mwh",
    "left_mwh",
    "bought_mwh",
    "unneeded_mwh",
    "missing_mwh",
    "countered_mwh",
    "reserve_up_mwh",
    "reserve_down_mwh",
    "imbalance_after_mwh",
    "tso_need_mw",
    "wanted_mwh",
    "purchased_mwh",
    "purchased_pct",
    "purchases_eur",
    "settled_mwh",
    "settled_eur",
    "above_day_ahead_eur",
    "brps_eur",
    "tso_eur",
    "tso_and_closing_eur",
    "dsos_eur",
    "sellers_eur",
    "procurement_cost_eur",
    "afrr_energy_cost_eur",
    "closing_mwh",
    "closing_beyond_bids_mwh",
    "closing_eur",
    "true_cost_eur",
    "activated_from_distribution_mwh",
    "reserve_bids_stopped",
    EXTRA_COST,
    "price_up_eur_per_mwh",
    "price_down_eur_per_mwh",
    "violated_isps",
    "violated_isps_created",
    "max_overload_pct",
    "unserved_mwh",
)


def settings() -> Iterator[IntegratedSetting]:
    """All settings, references among them."""
    for mape in MAPES:
        for scheme in (COMMON, *OTHERS):
            yield IntegratedSetting(scheme=scheme, mape=mape)
        for spread in SPREADS[mape]:
            yield IntegratedSetting(scheme=INTEGRATED, mape=mape, spread=spread)
    yield LATE_TWIN
    yield IntegratedSetting(scheme=COMMON, pricing=CLEARED)
    for spread in SPREADS[MAPE][2:]:
        yield IntegratedSetting(scheme=INTEGRATED, spread=spread, pricing=CLEARED)


def plan(seeds: int, more: int) -> list[Planned]:
    """The runs: all settings at `seeds` seeds from 1 on, those of `MAIN` at `more` if that is more."""
    return planned(
        [
            Wanted(
                {**asdict(setting), "seed": seed},
                setting.fields | {"seed": seed},
                setting.reference.fields | {"seed": seed},
            )
            for setting in settings()
            for seed in range(1, (max(seeds, more) if setting in MAIN else seeds) + 1)
        ]
    )


def is_setting(spread: pd.DataFrame, setting: IntegratedSetting) -> pd.Series:
    """Which rows are of a setting."""
    given = pd.Series(asdict(setting))
    return (spread[list(KEYS)].eq(given) | (spread[list(KEYS)].isna() & given.isna())).all(axis=1)


def _row(spread: pd.DataFrame, setting: IntegratedSetting, measure: str) -> pd.DataFrame:
    return spread[is_setting(spread, setting) & (spread.measure == measure)]


def _line(
    ax: Axes,
    spread: pd.DataFrame,
    at: str,
    line: Mapping[float, IntegratedSetting],
    look: tuple[str, str, str],
) -> None:
    """What markets leave to the reserve more than under `common`; `look` is label, colour and dash."""
    rows = pd.concat([_row(spread, setting, "left_mwh") for setting in line.values()])
    label, colour, dash = look
    ax.plot(list(line), rows.difference, dash, marker="o", markersize=4, color=colour, label=label)
    ax.vlines(list(line), rows.difference_low, rows.difference_high, color=colour, alpha=0.5)
    ax.set_xlabel(at)


def _left_over(by_error: Axes, by_spread: Axes, spread: pd.DataFrame) -> None:
    at = "day-ahead forecast error (% of nominal load)"
    looks = [("multilevel-03", GREEN, "--"), ("hybrid", DARK, ":")]
    for k, (name, colour, dash) in enumerate(looks):
        line = {100.0 * m + 0.08 * (k - 1): IntegratedSetting(scheme=name, mape=m) for m in MAPES}
        _line(by_error, spread, at, line, (name, colour, dash))
    line = {100.0 * m + 0.08: IntegratedSetting(scheme=INTEGRATED, mape=m, spread=SPREAD) for m in MAPES}
    _line(by_error, spread, at, line, (f"integrated, {SPREAD:g} EUR/MWh", RED, "-"))
    _line(by_error, spread, at, {100.0 * MAPE + 0.2: LATE_TWIN}, ("... need sent as it clears", PURPLE, ""))
    by_error.set_title("Left to the reserve, more than under common")
    at = "most that companies pay above the day-ahead price (EUR/MWh)"
    for k, (mape, colour) in enumerate(zip(MAPES, (SKY, RED, ORANGE), strict=True)):
        line = {
            x + 1.2 * (k - 1): IntegratedSetting(scheme=INTEGRATED, mape=mape, spread=x)
            for x in SPREADS[mape]
        }
        _line(by_spread, spread, at, line, (f"error {100 * mape:g} %", colour, "-"))
    by_spread.set_title("... by what companies are willing to pay")
    for ax in (by_error, by_spread):
        ax.set_ylabel("MWh a day")
        ax.margins(x=0.06)
        zero_line(ax)
        ax.legend(loc="best")


CALM = 0.015
"""Forecast error at which who pays is drawn: with larger ones a few ISPs of scarcity hide all else."""
BARS = {
    **{name: IntegratedSetting(scheme=name, mape=CALM) for name in OTHERS},
    **{
        f"integrated, {x:g}": IntegratedSetting(scheme=INTEGRATED, mape=CALM, spread=x) for x in SPREADS[CALM]
    },
}
PAYERS = {
    "brps_eur": "BRPs",
    "tso_and_closing_eur": "TSO",
    "dsos_eur": "DSOs",
    "sellers_eur": "sellers earn",
    EXTRA_COST: "true cost",
}


def _payers(ax: Axes, spread: pd.DataFrame) -> None:
    at, width = np.arange(len(BARS), dtype=np.float64), 0.8 / len(PAYERS)
    for k, (measure, label) in enumerate(PAYERS.items()):
        rows = pd.concat([_row(spread, setting, measure) for setting in BARS.values()])
        place = at + width * (k - (len(PAYERS) - 1) / 2)
        ax.barh(place, rows.difference, 0.9 * width, color=CYCLE[k], label=label)
        ax.hlines(place, rows.difference_low, rows.difference_high, color="black", linewidth=0.8)
    ax.set_yticks(at, list(BARS))
    ax.invert_yaxis()
    ax.axvline(0.0, color=DARK, linewidth=0.7)
    ax.grid(axis="x")
    ax.set_title(f"Who pays more than under common, error {100 * CALM:g} %")
    ax.set_xlabel("EUR a day")
    ax.legend(loc="upper left")


def figure(spread: pd.DataFrame, folder: Path) -> Path:
    """What is left to the reserve and who pays, more than under `common`."""
    with house_style():
        drawn = new_figure(
            "Companies and operators in one market",
            "reference, 18 April 2016",
            14.0,
            4.8,
            ("Lines across: 95 % intervals of differences to common at the same seed. "),
        )
        left, middle, right = drawn.subplots(1, 3, width_ratios=[1.0, 1.0, 1.25])
        _left_over(left, middle, spread)
        _payers(right, spread)
        return save(drawn, folder / "integrated.png")


def tables(spread: pd.DataFrame) -> str:
    """All tables of the page, from the rows of `paired`."""
    common = {f"common, {BID}": MAIN[0]}
    own = {
        f"integrated, {x:g} EUR/MWh": IntegratedSetting(scheme=INTEGRATED, spread=x) for x in SPREADS[MAPE]
    }
    late = {f"integrated, {SPREAD:g} EUR/MWh, need told as it clears": LATE_TWIN}
    others = {name: IntegratedSetting(scheme=name) for name in OTHERS}
    cleared = {f"common, {CLEARED}": IntegratedSetting(scheme=COMMON, pricing=CLEARED)} | {
        f"integrated, {x:g} EUR/MWh, {CLEARED}": IntegratedSetting(
            scheme=INTEGRATED, spread=x, pricing=CLEARED
        )
        for x in SPREADS[MAPE][2:]
    }
    errors = {
        f"{100 * mape:g} %, {name}": setting
        for mape in MAPES
        for name, setting in {
            COMMON: IntegratedSetting(scheme=COMMON, mape=mape),
            **{other: IntegratedSetting(scheme=other, mape=mape) for other in OTHERS},
            **{
                f"integrated, {x:g} EUR/MWh": IntegratedSetting(scheme=INTEGRATED, mape=mape, spread=x)
                for x in SPREADS[mape]
            },
        }.items()
    }
    parts = {
        f"Imbalance (MWh a day), forecast error {100 * MAPE:g} %": (common | others | own | late, IMBALANCE),
        "By forecast error": (errors, ERRORS),
        f"Who pays (EUR a day, differences to common with the same pricing), error {100 * MAPE:g} %": (
            common | others | own | cleared,
            MONEY,
        ),
        f"Accounts of the BRPs, error {100 * MAPE:g} %": (common | own | late | cleared, BRPS),
        f"Prices, needs and limits, error {100 * MAPE:g} %": (common | others | own | cleared, LIMITS),
    }
    return "\n".join(
        f"## {title}\n"
        + table(spread, [""], {(label,): is_setting(spread, one) for label, one in lines.items()}, columns)
        for title, (lines, columns) in parts.items()
    )


IMBALANCE = (
    Column("before", "imbalance_before_mwh"),
    Column("left to the reserve", "left_mwh", decimals=1),
    Column("more than common", "left_mwh", True, 1),
    Column("bought, net", "bought_mwh"),
    Column("of it unneeded", "unneeded_mwh", decimals=1),
    Column("missing", "missing_mwh", decimals=1),
    Column("companies get, %", "purchased_pct"),
    Column("reserve up", "reserve_up_mwh", decimals=1),
    Column("down", "reserve_down_mwh", decimals=1),
    Column("after", "imbalance_after_mwh", decimals=1),
)
ERRORS = (
    Column("before, MWh", "imbalance_before_mwh"),
    Column("left to the reserve, MWh", "left_mwh", decimals=1),
    Column("more than common", "left_mwh", True, 1),
    Column("BRPs pay more, EUR", "brps_eur", True),
    Column("TSO, EUR", "tso_and_closing_eur", True),
    Column("extra true cost, EUR", EXTRA_COST),
)
MONEY = (
    Column("BRPs", "brps_eur", True),
    Column("TSO", "tso_and_closing_eur", True),
    Column("DSOs", "dsos_eur", True),
    Column("sellers earn", "sellers_eur", True),
    Column("procurement", "procurement_cost_eur", True),
    Column("of it reserve", "afrr_energy_cost_eur", True),
    Column("extra true cost", EXTRA_COST),
    Column("from households, MWh", "activated_from_distribution_mwh", True),
)
BRPS = (
    Column("bought, MWh", "purchased_mwh"),
    Column("for, EUR", "purchases_eur"),
    Column("settled, MWh", "settled_mwh"),
    Column("for, EUR", "settled_eur"),
    Column("above day-ahead, EUR", "above_day_ahead_eur"),
    Column("more than common, EUR", "above_day_ahead_eur", True),
)
LIMITS = (
    Column("price up, EUR/MWh", "price_up_eur_per_mwh", decimals=1),
    Column("price down, EUR/MWh", "price_down_eur_per_mwh", decimals=1),
    Column("need of the TSO, MW", "tso_need_mw", decimals=1),
    Column("unserved, MWh", "unserved_mwh", decimals=2),
    Column("ISPs with a limit broken", "violated_isps", decimals=1),
    Column("broken by activation", "violated_isps_created", decimals=1),
    Column("worst overload, %", "max_overload_pct"),
    Column("reserve bids stopped", "reserve_bids_stopped"),
)


def main(
    out: Annotated[Path, typer.Option(help="Folder for tables and figure.")] = Path(
        "runs/studies/integrated"
    ),
    runs: Annotated[Path, typer.Option(help="Folder for the runs.")] = Path("runs/studies/balance"),
    workers: Annotated[int | None, typer.Option(help="Processes. [default: one a core]")] = None,
    seeds: Annotated[int, typer.Option(help="Seeds of every setting.")] = 5,
    more: Annotated[int, typer.Option(help="Seeds of common and integrated as they are by default.")] = 20,
) -> None:
    """Run what is missing and write tables and figure."""
    out.mkdir(parents=True, exist_ok=True)
    rows = made(plan(seeds, more), runs, workers)
    spread = paired(rows, KEYS, MEASURES)
    rows.to_csv(out / "integrated.csv", index=False, float_format="%.4f", lineterminator="\n")
    spread.to_csv(out / "integrated_summary.csv", index=False, float_format="%.4f", lineterminator="\n")
    (out / "integrated_tables.md").write_text(tables(spread), encoding="utf-8")
    figure(spread, out)
    print(tables(spread))


if __name__ == "__main__":
    typer.run(main)
