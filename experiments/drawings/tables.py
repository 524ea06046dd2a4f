"""Tables of docs/schemes.md: the timing of each scheme, and what is sent under it.

Written between marks; a test compares the page with the schemes.
"""

from __future__ import annotations

from pathlib import Path

from tandem_sim.experiments.drawings.flows import ENTRIES, awards_from, information
from tandem_sim.experiments.drawings.times import time_of
from tandem_sim.markets.schemes import SCHEMES
from tandem_sim.sim.scenario.sections import GateSettings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "schemes.md"
END = "<!-- end of table -->"


def timing() -> str:
    """Blocks of each scheme with the default lead times of their gates, in order."""
    leads = GateSettings().minutes()
    rows = []
    for name, scheme in SCHEMES.items():
        acts = " → ".join(f"{time_of(leads[block.gate])}: `{block.name}`" for block in scheme.blocks)
        buyers = dict.fromkeys(block.buyer.upper() for block in scheme.blocks if _buys(block.writes))
        rows.append(f"| `{name}` | {acts} | {', '.join(buyers)} |")
    return "\n".join(["| scheme | blocks in order of time | buyers |", "|---|---|---|", *rows])


def _buys(writes: tuple[str, ...]) -> bool:
    return any(name.endswith(".sold") for name in writes)


def messages() -> str:
    """What is sent for one ISP under each scheme, in a run."""
    rows = []
    for name, scheme in SCHEMES.items():
        sent = information(scheme)
        to_clearer = _names(sent.to_clearer)
        if sent.from_tso:
            to_clearer += f"; from the TSO {_names(sent.from_tso)}"
        sellers = f"{sent.bids_to} | {', '.join(awards_from(scheme))}"
        rows.append(f"| `{name}` | {sellers} | {to_clearer} | {_names(sent.to_dso)} |")
    head = "| scheme | sellers in areas: bids to | awards from | DSO to who clears | who clears to DSO |"
    return "\n".join([head, "|---|---|---|---|---|", *rows])


def entries() -> str:
    """What the entries hold."""
    rows = [f"| `{name}` | {short} | {text} |" for name, (short, text) in ENTRIES.items()]
    return "\n".join(["| entry | in the drawing | content |", "|---|---|---|", *rows])


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "nothing"


TABLES = {"timing": timing, "messages": messages, "entries": entries}


def page() -> str:
    """The page with its tables made anew. Raises ValueError for a missing mark."""
    text = PAGE.read_text(encoding="utf-8")
    for name, make in TABLES.items():
        before, mark, rest = text.partition(f"<!-- table of schemes: {name} -->\n")
        _, end, after = rest.partition(END)
        if not (mark and end):
            raise ValueError(f"{PAGE.name} lacks the marks of the table {name}")
        text = f"{before}{mark}{make()}\n{end}{after}"
    return text
