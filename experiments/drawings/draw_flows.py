"""Drawings of information between parties under each family of schemes, and of payments."""

from __future__ import annotations

from textwrap import wrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tandem_sim.experiments.drawings.canvas import TINTS, WIDTH_CM, arrow, box, new_drawing, write
from tandem_sim.experiments.drawings.flows import ENTRIES, PAYMENTS, SentEntries, families
from tandem_sim.experiments.figures.style import BLUE, DARK, GREEN, ORANGE, PALE, PURPLE

LINE_CM, KEY_CM = 0.42, 0.9
COLUMNS = 2
LETTERS, TITLE_LETTERS = 21, 42


def information_figure() -> Figure:
    """A panel for each family of schemes: what sellers, DSO and TSO send each other for an ISP."""
    found = list(families().items())
    rows = [found[k : k + COLUMNS] for k in range(0, len(found), COLUMNS)]
    tall = [
        3.5 + LINE_CM * max(len(_title(names)) + _label_lines(sent) for sent, names in row) for row in rows
    ]
    figure, ax = new_drawing(sum(tall) + KEY_CM)
    for k, row in enumerate(rows):
        bottom = KEY_CM + sum(tall[k + 1 :])
        for column, (sent, names) in enumerate(row):
            _panel(ax, column * WIDTH_CM / COLUMNS, bottom, tall[k], sent, names)
    x = 0.3
    for color, text in (
        (GREEN, "sent by sellers"),
        (ORANGE, "sent by the DSO"),
        (BLUE, "sent by who clears"),
    ):
        arrow(ax, (x, 0.45), (x + 0.8, 0.45), color)
        write(ax, x + 0.95, 0.45, text)
        x += 5.0
    return figure


def _title(names: tuple[str, ...]) -> list[str]:
    return wrap(", ".join(names), TITLE_LETTERS, break_on_hyphens=False)


def _label_lines(sent: SentEntries) -> int:
    return len(_words(sent.to_clearer)) + bool(sent.from_tso)


def _panel(ax: Axes, x: float, y: float, tall: float, sent: SentEntries, names: tuple[str, ...]) -> None:
    width, high, low = WIDTH_CM / COLUMNS, y + 2.75, y + 0.6
    ax.plot([x + 0.1, x + width - 0.1], [y + tall - 0.05] * 2, color=PALE, linewidth=1.0)
    write(ax, x + 0.2, y + tall - 0.15, "\n".join(_title(names)), va="top", bold=True)
    dso, clearer, sellers = x + 1.4, x + width - 1.4, x + 1.4
    other = bool(sent.from_tso)
    box(ax, dso, high, 1.4, 0.7, "DSO", TINTS["DSO"])
    box(ax, clearer, high, 1.7, 0.9 if other else 0.7, sent.clearer.replace(" ", "\n"), TINTS["TSO"])
    box(ax, sellers, low, 2.3, 0.9, "sellers\nin the area", TINTS["sellers"])
    box(ax, clearer, low, 2.4, 0.9, "sellers on\ntransmission", TINTS["sellers"])
    arrow(ax, (clearer, low + 0.45), (clearer, high - 0.47), GREEN)
    _bids(ax, clearer, low + 1.05)
    if sent.bids_to == "DSO":
        arrow(ax, (sellers, low + 0.45), (sellers, high - 0.35), GREEN)
        _bids(ax, sellers, low + 1.05)
    else:
        arrow(ax, (sellers + 1.15, low + 0.2), (clearer - 0.86, high - 0.3), GREEN)
        _bids(ax, (sellers + clearer) / 2, (low + high) / 2 - 0.05)
    left, middle, right = dso + 0.72, (dso + clearer) / 2 - 0.05, clearer - 0.87
    if sent.to_clearer:
        arrow(ax, (left, high + 0.15), (right, high + 0.15), ORANGE)
        write(ax, middle, high + 0.28, "\n".join(_words(sent.to_clearer)), ha="center", va="bottom")
    if sent.to_dso:
        arrow(ax, (right, high - 0.15), (left, high - 0.15), BLUE)
        text = "\n".join(_words(sent.to_dso))
        write(ax, middle, high - 0.25, text, ha="center", va="top", background=True)
    if other:
        text = f"The TSO sends {' '.join(_words(sent.from_tso))} too."
        write(ax, x + 0.2, y + tall - 0.15 - 1.3 * LINE_CM, text, va="top")


def _words(entries: tuple[str, ...]) -> list[str]:
    """Entries in words, in lines that end after an entry."""
    text = ", ".join(ENTRIES[name][0].replace(" ", "\N{NO-BREAK SPACE}") for name in entries)
    return wrap(text, LETTERS)


def _bids(ax: Axes, x: float, y: float) -> None:
    write(ax, x, y, "bids", ha="center", background=True)


PLACES = {
    "TSO": (7.2, 9.0),
    "DSO": (1.6, 4.9),
    "aggregators": (10.2, 4.9),
    "sellers on transmission": (14.3, 9.0),
    "BRPs": (1.3, 9.0),
    "households": (5.6, 0.9),
}
SIZES = {"sellers on transmission": (2.8, 1.0), "aggregators": (2.5, 0.9), "households": (2.4, 0.9)}
"""Width and height of boxes, cm."""
LABELS: dict[tuple[str, str], tuple[float, float, int]] = {
    ("TSO", "sellers on transmission"): (10.5, 9.85, 24),
    ("sellers on transmission", "TSO"): (10.5, 8.55, 24),
    ("TSO", "BRPs"): (4.2, 9.85, 24),
    ("TSO", "aggregators"): (11.3, 7.2, 20),
    ("aggregators", "TSO"): (6.5, 7.0, 16),
    ("DSO", "aggregators"): (5.5, 5.75, 30),
    ("aggregators", "DSO"): (5.5, 4.5, 30),
    ("aggregators", "aggregators"): (13.5, 4.9, 18),
    ("aggregators", "households"): (9.6, 2.7, 16),
    ("DSO", "households"): (1.7, 2.7, 14),
    ("households", "households"): (9.1, 0.9, 20),
}
"""Middle of the label of each pair of payer and payee, cm, and its letters in a line."""


def payments_figure() -> Figure:
    """Parties, and arrows from who pays to who is paid, with the kinds of payments."""
    figure, ax = new_drawing(11.0)
    kinds: dict[tuple[str, str], list[str]] = {}
    for paid in PAYMENTS:
        kinds.setdefault((paid.payer, paid.payee), []).extend(paid.kinds)
    for (payer, payee), names in kinds.items():
        if payer == payee:
            _loop(ax, payer)
        else:
            _between(ax, payer, payee)
        x, y, letters = LABELS[payer, payee]
        write(ax, x, y, "\n".join(wrap(", ".join(names), letters, break_on_hyphens=False)), ha="center")
    for name, (x, y) in PLACES.items():
        color = {"TSO": BLUE, "DSO": ORANGE, "BRPs": PURPLE, "households": PURPLE}.get(name, GREEN)
        box(ax, x, y, *SIZES.get(name, (1.8, 0.9)), name.replace(" on ", "\non "), color)
    return figure


def _between(ax: Axes, payer: str, payee: str) -> None:
    """An arrow from box to box, to the left of the line between their centres."""
    (x0, y0), (x1, y1) = PLACES[payer], PLACES[payee]
    length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
    dx, dy = (x1 - x0) / length, (y1 - y0) / length
    start, end = _edge(payer, dx, dy), _edge(payee, -dx, -dy)
    side = (-0.14 * dy, 0.14 * dx)
    arrow(
        ax,
        (x0 + start * dx + side[0], y0 + start * dy + side[1]),
        (x1 - end * dx + side[0], y1 - end * dy + side[1]),
        DARK,
    )


def _edge(name: str, dx: float, dy: float) -> float:
    """Distance from the centre of a box to its edge in a direction, cm."""
    width, height = SIZES.get(name, (1.8, 0.9))
    return min((width / 2 + 0.05) / abs(dx) if dx else 99.0, (height / 2 + 0.05) / abs(dy) if dy else 99.0)


def _loop(ax: Axes, name: str) -> None:
    (x, y), (width, _) = PLACES[name], SIZES[name]
    right = x + width / 2 + 0.05
    arrow(ax, (right, y + 0.2), (right, y - 0.2), DARK, bend=-2.2)
