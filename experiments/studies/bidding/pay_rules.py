"""Pay-as-bid against pay-as-cleared: ``python -m tandem_sim.experiments.studies.bidding.pay_rules``.

The same cases under both rules: how best responses end, and the bids of four learners in 1 600 ISPs of the
same market, compared with truthful bids with the same random numbers. Computed are the regret of the
learners, their profit compared with competition and monopoly, and their response to a rival that is forced to
bid truthfully for some time. Writes ``pay_rules.csv``, ``learned.csv`` and ``pay_rules.png``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from matplotlib.axes import Axes

from tandem_sim.agents.strategies.learners import QLearning
from tandem_sim.agents.strategies.strategy import Offers, OfferView, SellerResult, Strategy, Truthful
from tandem_sim.experiments.environments.case import CaseWorld
from tandem_sim.experiments.figures.style import BLUE, DASHES, ORANGE, house_style, new_figure, save
from tandem_sim.experiments.market_power.collusion import answer_to_deviation, profit_gain
from tandem_sim.experiments.market_power.game import figures
from tandem_sim.experiments.studies.bidding.gaming_cases import BALANCED, FOOTNOTE, world
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.cases.case import Case
from tandem_sim.markets.choices import Pricing
from tandem_sim.markets.coordination.block import Scheme
from tandem_sim.markets.games.case_game import TRUTH, Move, case_game, with_owners
from tandem_sim.markets.games.repeated_market import CaseMarket, Played
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.schemes import Options, build_schemes
from tandem_sim.sim.clock.randomness import stream

RULES: tuple[Pricing, ...] = ("pay-as-bid", "pay-as-cleared")
SCHEME_NAMES = ("multilevel-03", "common")
SELLERS = [f"S{k + 1}" for k in range(4)]
MARKUPS = (0.0, 5.0, 10.0, 20.0, 40.0, 80.0)
MOVES = tuple(TRUTH if m == 0.0 else Move(m) for m in MARKUPS)
ISPS, NOISE = 1600, 0.05
LAST = ISPS * 3 // 4
"""First ISP of the last quarter, in which learners are evaluated."""
EVERY = 15
"""Number of ISPs between two ISPs of the last quarter that are cleared again for the regret."""


BLOCK, TOLERANCE_EUR_PER_MWH = 50, 10.0
"""ISPs of a forced deviation, and the noise of mean mark-ups over so many ISPs."""


class Deviator:
    """A strategy that is forced to bid truthfully for some time."""

    learns = True

    def __init__(self, strategy: Strategy, during: range) -> None:
        self._strategy, self._during = strategy, during

    def offers(self, view: OfferView) -> Offers:
        """The offers of the strategy, or truthful ones; it draws the same random numbers in both cases."""
        wanted = self._strategy.offers(view)
        return Truthful().offers(view) if view.isp in self._during else wanted

    def learn(self, outcome: SellerResult) -> None:
        """As the strategy, but for what it did not choose."""
        if outcome.isp not in self._during:
            self._strategy.learn(outcome)


class WatchedMarket(CaseMarket):
    """A market that records its bids and results."""

    history: list[tuple[Mapping[str, Bids], Played]]

    def play(
        self, books: Mapping[str, Bids] | None = None, shift_mw: Mapping[str, FloatArray] | None = None
    ) -> Played:
        """As every market."""
        played = super().play(books, shift_mw)
        self.history.append((books or self.books, played))
        return played


Views = list[dict[str, list[OfferView]]]
"""What was true in every ISP, by seller and system."""


def learned(
    case: Case, scheme: Scheme, seed: int, learns: bool, deviation: range = range(0)
) -> tuple[WatchedMarket, Views]:
    """All ISPs with learners, or with truthful bids: the market, and true costs. S1 may have to deviate."""
    market = WatchedMarket(case, scheme)
    market.history = []
    arena = CaseWorld(market=market, isps=ISPS, noise=NOISE, others="truthful")
    strategies: dict[str, Strategy] = {
        s: QLearning(rng=stream(seed, f"learner {s}"), markups=MARKUPS, rate=0.05, patience=200.0)
        if learns
        else Truthful()
        for s in SELLERS
    }
    strategies["S1"] = Deviator(strategies["S1"], deviation)
    arena.begin(seed, strategies)
    true: Views = []
    for _ in range(ISPS):
        true.append({s: arena.views(s) for s in SELLERS})
        arena.advance()
    return market, true


def profits_of(market: WatchedMarket, true: Views, isp: int, played: Played) -> FloatArray:
    """What each seller earned in an ISP at its true cost of that ISP, (sellers,) EUR/h."""
    earned = []
    for seller in SELLERS:
        total = 0.0
        for view in true[isp][seller]:
            rows = market.rows_of(seller)[view.system]
            sold = played.sold_mw[view.system][rows]
            total += float(
                (played.received_eur_per_h[view.system][rows] - view.direction * view.cost * sold).sum()
            )
        earned.append(total)
    return np.array(earned)


def regret_eur_per_h(market: WatchedMarket, true: Views) -> float:
    """Regret: extra profit of the best fixed mark-up, mean over sellers, last quarter, EUR/h."""
    isps = range(LAST, ISPS, EVERY)
    past = market.history[:ISPS]
    found = []
    for number, seller in enumerate(SELLERS):
        now = np.mean([profits_of(market, true, isp, past[isp][1])[number] for isp in isps])
        fixed = []
        for markup in MARKUPS:
            earned = []
            for isp in isps:
                books = dict(past[isp][0])
                for view in true[isp][seller]:
                    own, rows = books[view.system], market.rows_of(seller)[view.system]
                    price = np.array(own.price)
                    price[rows] = view.cost + view.direction * markup
                    books[view.system] = replace(own, price=price)
                earned.append(profits_of(market, true, isp, market.play(books))[number])
            fixed.append(float(np.mean(earned)))
        found.append(max(fixed) - float(now))
    return float(np.mean(found))


def markups_of(market: WatchedMarket, true: Views) -> FloatArray:
    """Mean mark-up each seller asked, weighted by MW, in blocks of ISPs: (blocks, sellers) EUR/MWh."""
    asked = np.zeros((ISPS, len(SELLERS)))
    for isp in range(ISPS):
        books = market.history[isp][0]
        for number, seller in enumerate(SELLERS):
            for view in true[isp][seller]:
                rows, weight = market.rows_of(seller)[view.system], view.quantity_mw
                markup = view.direction * (books[view.system].price[rows] - view.cost)
                asked[isp, number] += float(markup @ weight) / sum(
                    float(v.quantity_mw.sum()) for v in true[isp][seller]
                )
    return np.asarray(asked.reshape(-1, BLOCK, len(SELLERS)).mean(axis=1))


def competition_and_monopoly(case: Case, scheme: Scheme) -> tuple[dict[str, Any], float, float]:
    """How best responses end, and the profit of all sellers then and as a monopoly, EUR/h."""
    ends = figures(case_game(case, scheme, SELLERS, MOVES))
    one = case_game(with_owners(case, dict.fromkeys(SELLERS, "one")), scheme, ["one"], MOVES)
    most = max(float(one.profits((move,))[0]) for move in range(len(MOVES)))
    return ends, float(ends["profit"]), most


def played(seeds: Sequence[int], kind: str = "A") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Games and learners, a row per seed, scheme and rule; and the mean mark-up asked as learners went on."""
    rows, paths = [], []
    for seed in seeds:
        case = world(kind, seed, len(SELLERS), BALANCED)
        for name in SCHEME_NAMES:
            for rule in RULES:
                scheme = build_schemes(Options(pricing=rule))[name]
                ends, competitive, most = competition_and_monopoly(case, scheme)
                honest, true = learned(case, scheme, seed, learns=False)
                market, _ = learned(case, scheme, seed, learns=True)
                forced, _ = learned(case, scheme, seed, True, range(LAST, LAST + BLOCK))
                moved = markups_of(forced, true) - markups_of(market, true)
                answer = answer_to_deviation(moved, 0, LAST // BLOCK, 3, TOLERANCE_EUR_PER_MWH)
                last = range(LAST, ISPS)
                base = [honest.history[isp][1] for isp in last]
                found = [market.history[isp][1] for isp in last]
                earned = np.array(
                    [profits_of(market, true, isp, market.history[isp][1]) for isp in range(ISPS)]
                )
                profit = float(earned[LAST:].sum(axis=1).mean())
                paid = [sum(p.paid_eur_per_h.values()) for p in found]
                paid_truth = [sum(p.paid_eur_per_h.values()) for p in base]
                rows.append(
                    {
                        "seed": seed,
                        "scheme": name,
                        "pricing": rule,
                        **ends,
                        "monopoly": most,
                        "learned_profit": profit,
                        "learned_profit_truthful": float(
                            np.mean(
                                [profits_of(honest, true, isp, honest.history[isp][1]).sum() for isp in last]
                            )
                        ),
                        "learned_paid": float(np.mean(paid)),
                        "learned_paid_truthful": float(np.mean(paid_truth)),
                        "rivals_drop": answer.drop,
                        "reward_punishment": answer.reward_punishment,
                        "regret": regret_eur_per_h(market, true),
                        "profit_gain": profit_gain(profit, competitive, most),
                    }
                )
                smooth = pd.Series(earned.sum(axis=1)).rolling(100).mean().iloc[99::25]
                paths.append(
                    pd.DataFrame(
                        {
                            "seed": seed,
                            "scheme": name,
                            "pricing": rule,
                            "isp": smooth.index,
                            "profit": smooth.to_numpy(),
                        }
                    )
                )
    return pd.DataFrame(rows), pd.concat(paths, ignore_index=True)


def _bars(ax: Axes, rows: pd.DataFrame, honest: str, title: str, strategic: str) -> None:
    for k, (rule, colour) in enumerate(zip(RULES, (BLUE, ORANGE), strict=True)):
        part = rows[rows.pricing == rule].groupby("scheme", sort=False).median(numeric_only=True)
        at = np.arange(len(part)) + 0.4 * (k - 0.5)
        bars = ax.bar(at, part[strategic], 0.36, color=colour, label=rule)
        ax.bar_label(bars, fmt="{:.1f}", padding=2, fontsize=8)
        truth = "with truthful bids" if k == 0 else ""
        ax.hlines(part[honest], at - 0.18, at + 0.18, color="black", linewidth=1.5, label=truth)
        ax.set_xticks(np.arange(len(part)), list(part.index))
    ax.set_title(title)
    ax.margins(x=0.06)
    ax.set_ylabel("Payments of operators (EUR/h)")
    ax.set_xlabel("Scheme (name)")


def figure(rows: pd.DataFrame, paths: pd.DataFrame, folder: Path) -> Path:
    """Payments of operators in equilibrium and with learners, and profits of learners over time."""
    with house_style():
        drawn = new_figure(
            "Pay-as-bid and pay-as-cleared",
            f"{len(SELLERS)} sellers, {rows.seed.nunique()} seeds",
            13.0,
            4.6,
            "",
            f"Medians of {rows.seed.nunique()} cases. {FOOTNOTE}",
        )
        left, middle, right = drawn.subplots(1, 3)
        _bars(left, rows, "paid_truthful", "Best responses", "paid")
        _bars(middle, rows, "learned_paid_truthful", "Learners, last quarter of the ISPs", "learned_paid")
        top = 1.08 * max(left.get_ylim()[1], middle.get_ylim()[1])
        for ax in (left, middle):
            ax.set_ylim(0.0, top)  # the same scale
        for rule, colour in zip(RULES, (BLUE, ORANGE), strict=True):
            for name, dash in zip(SCHEME_NAMES, DASHES, strict=False):
                part = paths[(paths.pricing == rule) & (paths.scheme == name)].groupby("isp").profit.median()
                right.plot(part.index, part, dash, color=colour, label=f"{rule}, {name}")
        right.set_title("Learners: profits of all sellers, mean of 100 ISPs")
        right.set_xlabel("ISP (number)")
        right.set_ylabel("Profit (EUR/h)")
        right.set_ylim(bottom=min(0.0, right.get_ylim()[0]))
        for ax, columns in ((left, 3), (right, 2)):
            ax.legend(loc="upper left", bbox_to_anchor=(0.0, -0.16), ncols=columns)
        return save(drawn, folder / "pay_rules.png")


def main(
    out: Annotated[Path, typer.Option(help="Folder for tables and figure.")] = Path("runs/studies/pay_rules"),
    seeds: Annotated[int, typer.Option(help="Cases.")] = 5,
) -> None:
    """Play all games, let all learners learn, and write tables and figure."""
    out.mkdir(parents=True, exist_ok=True)
    rows, paths = played(range(seeds))
    rows.to_csv(out / "pay_rules.csv", index=False, float_format="%.6f", lineterminator="\n")
    paths.to_csv(out / "learned.csv", index=False, float_format="%.6f", lineterminator="\n")
    figure(rows, paths, out)
    keys = [
        "end",
        "markup",
        "profit",
        "paid",
        "paid_truthful",
        "monopoly",
        "learned_profit",
        "learned_profit_truthful",
        "learned_paid",
        "learned_paid_truthful",
        "regret",
        "profit_gain",
        "rivals_drop",
        "reward_punishment",
    ]
    print(rows.groupby(["scheme", "pricing"], sort=False)[keys[1:]].median().round(2).T.to_string())
    print(
        rows.groupby(["scheme", "pricing"], sort=False).end.value_counts().unstack(fill_value=0).to_string()
    )


if __name__ == "__main__":
    typer.run(main)
