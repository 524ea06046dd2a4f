"""The page: sections in order, style and scripts inside, a policy that forbids everything from outside."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from tandem_sim.experiments.report.bids.market import local_time, market_section
from tandem_sim.experiments.report.checks import check_section
from tandem_sim.experiments.report.overview import in_short, key_figures, what_was_run
from tandem_sim.experiments.report.parts.maps import maps_of
from tandem_sim.experiments.report.parts.markup import Markup, joined, json_text, tag
from tandem_sim.experiments.report.parts.messages import SEQUENCE_SAYS, kinds_of_messages, message_section
from tandem_sim.experiments.report.parts.money import conflict_section, money_section
from tandem_sim.experiments.report.parts.read import ReportRun
from tandem_sim.experiments.report.parts.series import Plot, as_json, every_of, plots_of

GENERATOR = '<meta name="generator" content="tandem report">'
"""Marks a file that this command may replace."""
STYLES, SCRIPTS = ("uPlot.min.css", "page.css"), ("uPlot.iife.min.js", "base.js", "plots.js", "maps.js")
LICENCE = "uPlot.LICENSE.txt"
TERMS = {
    "ISP": "imbalance settlement period, the step in time of markets and settlement",
    "TSO, DSO": "transmission and distribution system operator",
    "BRP": "balance responsible party, which pays for deviations from its schedule",
    "scheme": "coordination scheme: who buys flexibility first, and who checks whose purchases",
    "area": "a distribution grid with its DSO; T is transmission",
    "up, down": "more injection or less consumption; the reverse",
    "activation": "flexibility that an operator has bought is delivered",
    "without activation": "the same ISP with nothing activated in it; effects of earlier ISPs remain",
    "held back": "offered to the TSO, and not allowed by the DSO of the area",
    "rating": "the loading a branch may have; branches without one are never overloaded",
}


GROUPS = {
    "Series": "Prices, balance, activation",
    "Areas": "Areas: flows, loadings, voltages",
    "Households": "Households",
}
"""Titles of the sections of plots."""


@dataclass(frozen=True)
class PageSection:
    """A section of the page: its anchor, its name in the list of sections, its title and content."""

    key: str
    link: str
    title: str
    content: Markup


def page_of(runs: Sequence[ReportRun], isp: int) -> str:
    """The file as text; the same runs give the same text."""
    every, plots = every_of(runs), plots_of(runs)
    maps = maps_of(runs)
    data = {
        "zone": runs[0].data.zone,
        "start": runs[0].start_s,
        "step": runs[0].data.hours * 3600.0,
        "every": every,
        "isps": len(runs[0].isps),
        "chosen": isp - int(runs[0].isps[0]),
        "runs": [run.label for run in runs],
        "plots": [as_json(plot, every) for plot in plots],
        "maps": maps,
    }
    names = list(dict.fromkeys(run.scenario.name for run in runs))
    title = f"{', '.join(names)}: {', '.join(run.label for run in runs)}"
    when = local_time(runs[0], isp)
    terms = [tag(name, text) for pair in TERMS.items() for name, text in zip(("dt", "dd"), pair, strict=True)]
    fixed = tag("p", _FIXED.format(when=when), class_="note")
    merit = joined((fixed, tag("p", _ISP_SAYS), _merit_key(), market_section(runs, isp)))
    messages = joined(
        (
            fixed,
            tag("p", SEQUENCE_SAYS),
            *(message_section(run, isp) for run in runs),
            kinds_of_messages(runs, isp),
        )
    )
    sections = [
        PageSection("short", "In short", "In short", in_short(runs)),
        PageSection("run", "What was run", "What was run", what_was_run(runs)),
        PageSection(
            "figures", "Key figures", "Key figures", joined((tag("p", _figures_say(runs)), key_figures(runs)))
        ),
        *_series(plots, every),
        PageSection("grid", "Grids", "Grids", _grid(maps)),
        PageSection("isp", "One ISP", f"One ISP: {when}", merit),
        PageSection("messages", "Messages", "Messages of that ISP", messages),
        PageSection(
            "money", "Money", "Money between parties", joined((tag("p", _MONEY_SAYS), money_section(runs)))
        ),
        PageSection(
            "conflicts",
            "Conflicts",
            "Conflicts between operators",
            joined((tag("p", _CONFLICTS_SAY), conflict_section(runs))),
        ),
        PageSection("checks", "Checks", "Audits and data checks", check_section(runs)),
        PageSection("terms", "Terms", "Terms", tag("dl", *terms)),
    ]
    return _document(title, sections, data)


_FIXED = (
    "This section shows the ISP of {when} only; the slider of the maps does not change it. For another ISP "
    "make the report anew, such as: tandem report RUN --isp 2016-04-18T20:00."
)
_ISP_SAYS = (
    "Bids are in merit order: the best price first. For up bids that is the lowest price asked, for down "
    "bids the highest price paid for the energy. A bid in the money may still not be called, because a limit "
    "of a grid or a DSO did not allow it."
)
_MONEY_SAYS = (
    "All payments over the whole run, of every kind. Amounts beside bars, in the matrix and by what is paid "
    "are gross: what one pays to another, without subtracting what it receives. The width of a band is the "
    "amount. Colours tell payers apart. A payment with a negative amount is drawn in the direction in which "
    "the money flows."
)
_CONFLICTS_SAY = (
    "A conflict is a purchase of a DSO whose opposite the TSO buys at the same node in the same ISP. Both "
    "pay, and the injection does not change. EUR is what both pay for it; negative is a gain."
)
_SERIES_SAY = (
    "Drag to zoom in, double-click to zoom out; all plots zoom together. A click on a name below a plot "
    "hides its line. With the keyboard: Tab to a plot, arrow keys move the cursor, + and - zoom, 0 shows "
    "everything, Enter sets the time of the maps."
)
_GRID_SAYS = (
    "Branches have the colour of their loading, nodes that of their voltage, as delivered. Thin grey lines "
    "have no rating. Where a net has no coordinates, its tree is drawn: the longest path is a straight line, "
    "and laterals leave it at right angles; lengths mean nothing. Choose a branch on the map or in the list "
    "to see its loading over time. Arrow keys on the slider move in time, Page Up and Page Down by a day, "
    "Home and End to the ends; Space plays."
)
_MERIT_KEY = (
    ("kt", "sold to the TSO"),
    ("kd", "sold to the DSO"),
    ("ku", "not sold"),
    ("kh", "held back from the TSO by a check of the DSO, and not sold"),
)


def _figures_say(runs: Sequence[ReportRun]) -> str:
    says = "Values of the whole run. A dash is a key figure that does not apply to the run."
    return f"{says} Differences are to the first run, {runs[0].label}." if len(runs) > 1 else says


def _series(plots: Sequence[Plot], every: int) -> list[PageSection]:
    thin = (
        f" The run is long: each point stands for {every} ISPs. It is their mean; of loadings and highest "
        "voltages the greatest value, of lowest voltages the least."
        if every > 1
        else ""
    )
    found: list[PageSection] = []
    for group in dict.fromkeys(plot.group for plot in plots):
        figures = [_figure(plot) for plot in plots if plot.group == group]
        intro = "" if found else tag("p", f"{_SERIES_SAY}{thin}")
        content = joined((intro, tag("div", *figures, class_="plots")))
        found.append(PageSection(group.lower(), group, GROUPS[group], content))
    return found


def _figure(plot: Plot) -> Markup:
    label = f"{plot.title}, {plot.unit}"
    place = tag("div", class_="plot", data_plot=plot.name, tabindex="0", role="img", aria_label=label)
    title = tag("b", f"{plot.title} ({plot.unit})")
    return tag("figure", tag("figcaption", title, tag("small", plot.says)), place)


def _merit_key() -> Markup:
    entries = (part for kind, text in _MERIT_KEY for part in (tag("span", class_=f"key {kind}"), text))
    stripes = tag("rect", class_="held-back", width=6, height=6), tag("path", d="M0 0V6", class_="held-line")
    pattern = tag(
        "pattern",
        *stripes,
        id="held",
        width=6,
        height=6,
        patternUnits="userSpaceOnUse",
        patternTransform="rotate(45)",
    )
    drawn = tag("svg", tag("defs", pattern), class_="defs", width=0, height=0, aria_hidden="true")
    return joined((drawn, tag("p", "Colours:", *entries, class_="legend")))


def _grid(maps: dict[str, Any]) -> Markup:
    if not maps["isps"]:
        says = "These runs have no loadings of all branches (tables branch_loading and bus_voltage)."
        return tag("p", says)
    every = maps["every"]
    thin = (
        f" To keep the file small, each step of the slider stands for {every} rows in time: the highest "
        "loading and the voltage farthest from 1 p.u. among them."
        if every > 1
        else ""
    )
    return joined((tag("p", f"{_GRID_SAYS}{thin}"), tag("div", id="maps")))


def _document(title: str, sections: Sequence[PageSection], data: dict[str, Any]) -> str:
    style, script = "\n".join(map(_asset, STYLES)), "\n".join(map(_asset, SCRIPTS))
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    links = (tag("a", section.link, href=f"#{section.key}") for section in sections)
    body = (
        tag("section", tag("h2", section.title), section.content, id=section.key, class_="part")
        for section in sections
    )
    licence = f"\n<!-- uPlot, which draws the series, has this licence:\n{_asset(LICENCE)}\n-->\n"
    viewport = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head = joined(
        (
            Markup('<meta charset="utf-8">\n'),
            tag("meta", http_equiv="Content-Security-Policy", content=policy),
            Markup(f"\n{GENERATOR}\n{viewport}\n"),
            tag("title", f"Tandem report: {title}"),
            Markup(f"{licence}<style>{style}</style>"),
        )
    )
    says = "Report of simulated runs, made by Tandem. It needs no network."
    plain = "Series and maps need JavaScript; everything else is here."
    parts = (
        tag("a", "Skip to the content", href="#main", class_="skip"),
        tag("header", tag("h1", title), tag("p", says), _theme()),
        tag("nav", *links, aria_label="Sections"),
        tag("noscript", tag("p", plain, class_="warning")),
        tag("main", *body, id="main"),
        tag("script", json_text(data), type="application/json", id="data"),
        Markup(f"<script>{script}</script>"),
    )
    return f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n{tag("body", *parts)}\n</html>\n'


def _theme() -> Markup:
    choices = [
        tag("option", name, value=value)
        for value, name in (("", "as the system"), ("light", "light"), ("dark", "dark"))
    ]
    return tag("label", "Theme ", tag("select", *choices, id="theme"), class_="theme")


def _asset(name: str) -> str:
    place = resources.files("tandem_sim.experiments.report") / "assets" / name
    return place.read_text(encoding="utf-8").strip()


def _digest(text: str) -> str:
    """The source of an inline element in a Content-Security-Policy (CSP level 2)."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"
