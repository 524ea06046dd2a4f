"""Drawing of the grid models that each step of an ISP uses."""

from __future__ import annotations

from matplotlib.figure import Figure

from tandem_sim.experiments.drawings.canvas import new_drawing, write
from tandem_sim.experiments.drawings.models import MODELS, steps
from tandem_sim.experiments.drawings.times import gates_of_isp
from tandem_sim.experiments.figures.style import BLUE, DARK, PALE

LINE_CM, HEAD_CM, KEY_CM = 0.46, 1.3, 0.9
FIRST_CM, MODEL_CM = 6.3, 2.7


def models_figure() -> Figure:
    """A row for each step, a column for each model: always used, or used under some schemes or options."""
    found = steps()
    lines = [len(step.names) for step in found]
    height = HEAD_CM + KEY_CM + sum(LINE_CM * n + 0.35 for n in lines)
    figure, ax = new_drawing(height)
    times = {gate.name: gate.time for gate in gates_of_isp()}
    centres = [FIRST_CM + MODEL_CM * k for k in range(len(MODELS))]
    y = height - HEAD_CM
    for x, model in zip(centres, MODELS, strict=True):
        write(ax, x, y + 0.65, model, ha="center", bold=True)
    write(ax, 0.2, y + 0.65, "time", bold=True)
    write(ax, 2.4, y + 0.65, "step", bold=True)
    for step, n in zip(found, lines, strict=True):
        ax.plot([0.2, 15.8], [y, y], color=PALE, linewidth=0.8)
        tall = LINE_CM * n + 0.35
        middle = y - tall / 2
        write(ax, 0.2, middle, times.get(step.gate, "D-1"))
        write(ax, 2.4, middle, "\n".join(step.names))
        for x, model in zip(centres, MODELS, strict=True):
            if model in step.models:
                fill = "full" if model in step.always else "none"
                ax.plot([x], [middle], marker="s", markersize=9, color=BLUE, fillstyle=fill, mew=1.5)
        y -= tall
    ax.plot([0.2, 15.8], [y, y], color=PALE, linewidth=0.8)
    for x, fill, text in (
        (0.4, "full", "in every scheme with this step"),
        (7.6, "none", "under some schemes or options"),
    ):
        ax.plot([x], [0.4], marker="s", markersize=9, color=DARK, fillstyle=fill, mew=1.5)
        write(ax, x + 0.35, 0.4, text)
    return figure
