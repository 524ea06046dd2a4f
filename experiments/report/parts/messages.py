"""Messages about one ISP: a sequence of who informs whom, drawn and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tandem_sim.agents.base.messages import Message
from tandem_sim.experiments.explain.tables import IspTables, rows_of
from tandem_sim.experiments.report.parts.markup import Markup, number, table, tag
from tandem_sim.experiments.report.parts.read import ReportRun
from tandem_sim.sim.assembly.agents import TSO_NAME
from tandem_sim.sim.scenario.scenario import Scenario

MOST_PARTIES = 10
"""Most parties with a line of their own in the drawing; with more all DSOs share one."""
SEQUENCE_SAYS = (
    "Time runs downwards (local time, when a message was sent). Messages of one kind that are sent at one "
    "moment between the same groups are one arrow; \N{MULTIPLICATION SIGN} gives their number. Day-ahead "
    "messages are listed with the first ISP of their day."
)
"""How to read the drawing."""
COLUMN, ROW, TOP, LEFT = 128, 26, 46, 62


def party_group(name: str, scenario: Scenario, dsos_apart: bool = True) -> str:
    """The kind of party a name belongs to; the TSO and, unless there are many, DSOs stand for themselves."""
    if name in scenario.pools:
        return "aggregators"
    if name.startswith("BRP-"):
        return "BRPs"
    if name.startswith("DSO-") and not dsos_apart:
        return "DSOs"
    units = {unit.name for unit in scenario.transmission.units}
    loads = {load.name for load in scenario.transmission.large_loads}
    return "units and large loads" if name in units | loads else name


def message_section(run: ReportRun, isp: int) -> Markup:
    """The messages of an ISP of a run. Messages of one kind, moment and pair of groups are one arrow."""
    at = IspTables(run.run, isp)
    rows = at["messages"]
    if rows.empty:
        return tag("section", tag("h3", run.label), tag("p", "No message about this ISP."), class_="run")
    steps = _steps(rows, at)
    parties = _ordered(steps)
    meanings = _meanings()
    origin = pd.Timestamp(run.scenario.calendar.start).tz_convert(run.data.zone)
    clock = [_clock(origin, float(step.sent_s)) for step in rows_of(steps)]
    listed = [
        (
            time,
            step.sender,
            step.receiver,
            step.kind,
            str(step.count),
            number(int(step.numbers)),
            str(step.lost),
            meanings.get(step.kind, ""),
        )
        for time, step in zip(clock, rows_of(steps), strict=True)
    ]
    head = ("sent", "from", "to", "message", "count", "numbers shared", "lost", "content")
    return tag(
        "section",
        tag("h3", run.label),
        tag(
            "div",
            _drawing(steps, parties, clock),
            class_="scroll",
            tabindex="0",
            role="region",
            aria_label="message sequence",
        ),
        tag(
            "details", tag("summary", f"The {len(rows)} messages as a table"), table(head, listed, (4, 5, 6))
        ),
        class_="run",
    )


def _steps(rows: pd.DataFrame, at: IspTables) -> pd.DataFrame:
    names = {*rows.sender, *rows.receiver}
    apart = len({party_group(str(name), at.scenario) for name in names}) <= MOST_PARTIES
    group = {name: party_group(str(name), at.scenario, apart) for name in names}
    keys = ["sent_s", "sender", "receiver", "kind"]
    named = rows.assign(sender=rows.sender.map(group), receiver=rows.receiver.map(group))
    order = named.groupby(keys, sort=False).agg(
        count=("kind", "size"), numbers=("numbers", "sum"), lost=("lost", "sum")
    )
    found: pd.DataFrame = order.reset_index().sort_values("sent_s", kind="stable", ignore_index=True)
    return found


def _ordered(steps: pd.DataFrame) -> list[str]:
    """Parties from the system to the households."""
    fixed = ["day-ahead market", "BRPs", TSO_NAME]
    last = ["units and large loads", "aggregators", "households"]
    names = [str(name) for name in dict.fromkeys([*steps.sender, *steps.receiver])]
    middle = sorted(name for name in names if name not in (*fixed, *last))
    return [name for name in (*fixed, *middle, *last) if name in names]


def _clock(origin: pd.Timestamp, seconds: float) -> str:
    return f"{origin + pd.Timedelta(seconds=seconds):%d %b %H:%M:%S}"


def _drawing(steps: pd.DataFrame, parties: list[str], clock: list[str]) -> Markup:
    """Lines of life from left to right, arrows from above in the order of time."""
    across: Mapping[str, int] = {name: LEFT + COLUMN // 2 + k * COLUMN for k, name in enumerate(parties)}
    width, height = LEFT + COLUMN * len(parties) + 20, TOP + ROW * (len(steps) + 1)
    parts = []
    for name, x in across.items():
        parts += [
            tag("text", name, x=x, y=18, text_anchor="middle", class_="strong"),
            tag("line", x1=x, x2=x, y1=26, y2=height - 6, class_="life"),
        ]
    before = ""
    for k, (time, step) in enumerate(zip(clock, rows_of(steps), strict=True)):
        y, start, end = TOP + ROW * (k + 1), across[step.sender], across[step.receiver]
        minute = time[7:]
        if minute != before:
            parts.append(tag("text", minute, x=4, y=y + 4))
            before = minute
        times = f" \N{MULTIPLICATION SIGN}{step.count}" if step.count > 1 else ""
        lost = f", {step.lost} lost" if step.lost else ""
        kind = "arrow lost" if step.lost else "arrow"
        if start == end:
            parts.append(tag("path", d=f"M{start} {y - 4}h16v8h-16", class_=kind, fill="none"))
            parts.append(tag("text", f"{step.kind}{times}{lost}", x=start + 20, y=y + 3))
            continue
        head = 6 if end > start else -6
        parts += [
            tag("line", x1=start, x2=end, y1=y, y2=y, class_=kind),
            tag("path", d=f"M{end} {y}l{-head} -4v8z", class_="tip"),
            tag("text", f"{step.kind}{times}{lost}", x=(start + end) / 2, y=y - 4, text_anchor="middle"),
        ]
    says = f"Message sequence between {', '.join(parties)}: {int(np.sum(steps['count']))} messages"
    return tag(
        "svg",
        *parts,
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        aria_label=says,
        class_="sequence",
    )


def kinds_of_messages(runs: Sequence[ReportRun], isp: int) -> Markup:
    """What the kinds of messages of an ISP say."""
    found = sorted({str(kind) for run in runs for kind in IspTables(run.run, isp)["messages"].kind})
    meanings = _meanings()
    pairs = [(tag("dt", kind), tag("dd", meanings.get(kind, "no kind of this version"))) for kind in found]
    return tag("dl", *(part for pair in pairs for part in pair))


def _meanings() -> dict[str, str]:
    """What each kind of message says, from its class."""
    found, waiting = {}, [Message]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.kind:
            found[kind.kind] = (kind.__doc__ or "").split("\n")[0].replace("`", "")
    return found
