"""Drawings and tables of the pages on concepts and schemes: facts against runs, files against facts."""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.text
import pandas as pd
import pytest
from matplotlib.figure import Figure

from tandem_sim.agents.base.messages import AwardMessage, BidsMessage, Message, StateMessage
from tandem_sim.experiments.drawings import draw_flows, draw_times
from tandem_sim.experiments.drawings.__main__ import DRAWINGS, FOLDER
from tandem_sim.experiments.drawings.canvas import POINTS, WIDTH_CM
from tandem_sim.experiments.drawings.flows import ENTRIES, PAYMENTS, awards_from, families, information
from tandem_sim.experiments.drawings.models import steps
from tandem_sim.experiments.drawings.tables import PAGE, page
from tandem_sim.experiments.drawings.times import ACTORS, EVERY_RUN, gates_of_days, gates_of_isp, when_of
from tandem_sim.experiments.figures.style import house_style
from tandem_sim.experiments.figures.system import GROUPS, group_of
from tandem_sim.experiments.runs.scenario import scenario_of
from tandem_sim.markets.coordination.gates import GATES
from tandem_sim.markets.schemes import SCHEMES
from tandem_sim.sim.clock.bus import Bus
from tandem_sim.sim.clock.clock import Clock
from tandem_sim.sim.run import run
from tandem_sim.sim.scenario.sections import GateSettings
from tests.sim.conftest import HOURLY, small_scenario
from tests.sim.everything import EVERYTHING

ROOT = Path(__file__).resolve().parents[3]
ROLES = {
    GROUPS[0]: "TSO",
    GROUPS[1]: "BRPs",
    GROUPS[2]: "aggregators",
    GROUPS[3]: "sellers on transmission",
    GROUPS[4]: "households",
}


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, dict[str, list[int]]]:
    """Payments of an evening with one of everything, and the seconds of its gates."""
    folder, gates = tmp_path_factory.mktemp("run"), dict[str, list[int]]()
    true = Clock.gate

    def gate(self: Clock, name: str, closures: Any, actions: Sequence[Callable[[Any], None]]) -> None:
        gates[name] = [second for second, _ in closures]
        true(self, name, closures, actions)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Clock, "gate", gate)
        run(scenario_of({**EVERYTHING, "households": 400, "isp_minutes": 60}, "everything"), None, folder)
    return pd.read_parquet(folder / "settlement.parquet"), gates


def test_every_gate_has_actors_and_is_drawn_or_a_study() -> None:
    assert list(ACTORS) == list(GATES)
    assert {g.name for g in (*gates_of_days(), *gates_of_isp())} == set(GATES) - {"study"}


def test_a_run_has_the_gates_that_are_drawn(everything: tuple[pd.DataFrame, dict[str, list[int]]]) -> None:
    _, gates = everything
    scheme = SCHEMES[scenario_of(EVERYTHING, "everything").scheme]
    others = set(GATES) - {block.gate for block in scheme.blocks}
    drawn = [*gates_of_days(), *gates_of_isp()]
    absent = {g.name for g in drawn if g.when == "by scheme"} & others - {"dso_close"}
    assert {g.name for g in drawn} - absent - {"limit_ahead"} == set(gates) - {"study"}
    last = gates["deliver"][-1]
    for gate in gates_of_isp():
        if gate.name not in {"limit_ahead", "settle", *absent}:
            assert gates[gate.name][-1] == last - round(60 * gate.lead_min) or gate.name.startswith("mol")


def test_gates_of_the_day_before_are_those_of_the_page() -> None:
    """The overview of docs/model.md, which was written by hand."""
    times = {gate.name: gate.time for gate in gates_of_days()}
    table = re.findall(r"^\| (D-1, [\d:]+|days ahead, [\d:]+) \| `(\w+)` \|", _read("docs/model.md"), re.M)
    assert {name: time.replace("days ahead", "D-8, D-7") for time, name in table} == times


def test_gates_without_options_are_those_of_a_plain_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    acting = set()
    true = Clock.gate

    def gate(self: Clock, name: str, closures: Any, actions: Sequence[Callable[[Any], None]]) -> None:
        acting.add(name)
        true(self, name, closures, actions)

    monkeypatch.setattr(Clock, "gate", gate)
    run(small_scenario(scheme="central-01", **HOURLY), None, tmp_path)
    assert acting >= EVERY_RUN
    assert {name for name in acting if when_of(name) == "option"} == set()


@pytest.mark.parametrize("scheme", [names[0] for names in families().values()])
def test_a_run_sends_what_is_drawn(scheme: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sent: list[Message] = []
    true = Bus.send

    def send(self: Bus, message: Message) -> None:
        sent.append(message)
        true(self, message)

    monkeypatch.setattr(Bus, "send", send)
    run(small_scenario(scheme=scheme, seed=1, **HOURLY), None, tmp_path)
    drawn = information(SCHEMES[scheme])
    clearer = "TSO" if drawn.clearer == "TSO" else "MarketOperator"
    names = {"DSO-D1": "DSO", "TSO": "TSO"}
    found: dict[tuple[str, str], set[str]] = {}
    for message in sent:
        if isinstance(message, StateMessage):
            sender, receiver = (names.get(n, "MarketOperator") for n in (message.sender, message.receiver))
            found.setdefault((sender, receiver), set()).update(message.entries.entries())
    expected = {("DSO", clearer): set(drawn.to_clearer), (clearer, "DSO"): set(drawn.to_dso)}
    if drawn.from_tso:
        expected["TSO", clearer] = set(drawn.from_tso)
    back = found.pop(("MarketOperator", "TSO"), set())
    assert back <= {"bids", "sold", "balancing", "need"}  # book and results, for settlement
    assert found == {pair: entries for pair, entries in expected.items() if entries}
    bids = {
        names.get(m.receiver, "MarketOperator")
        for m in sent
        if isinstance(m, BidsMessage) and m.system == "D1"
    }
    assert bids == {"DSO" if drawn.bids_to == "DSO" else clearer}
    awards = {m.sender for m in sent if isinstance(m, AwardMessage) and m.system == "D1"}
    assert {names.get(sender, "market operator") for sender in awards} <= set(awards_from(SCHEMES[scheme]))


def test_a_run_pays_what_is_drawn(everything: tuple[pd.DataFrame, dict[str, list[int]]]) -> None:
    paid, _ = everything
    drawn = {(p.payer, p.payee, kind) for p in PAYMENTS for kind in p.kinds}
    assert _paid(paid) <= drawn
    assert {kind for _, _, kind in _paid(paid)} >= {"activation", "imbalance", "household cost", "capacity"}


def _paid(rows: pd.DataFrame) -> set[tuple[str, str, str]]:
    rows = rows[rows.kind != "curtailment trade"]  # among customers, by the names of their connections
    sides = [group_of(rows[side]).map(lambda name: ROLES.get(name, "DSO")) for side in ("payer", "payee")]
    return set(zip(*sides, rows.kind.astype(str), strict=True))


def test_every_kind_of_payment_is_drawn() -> None:
    table = _read("docs/formats.md").split("| `kind` | what it pays |")[1].split("\n\n")[0]
    listed = {
        kind
        for line in table.splitlines()
        if "|" in line
        for kind in re.findall(r"`([^`]+)`", line.split("|")[1])
    }
    assert {kind for paid in PAYMENTS for kind in paid.kinds} == listed
    written = {
        node.value.value
        for file in (ROOT / "markets/settlement/payments.py", ROOT / "sim/settlement/non_firm.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.keyword) and node.arg == "kind" and isinstance(node.value, ast.Constant)
    }
    assert written <= listed


def test_grid_models_are_those_that_blocks_read() -> None:
    found = {name: (step.gate, step.always) for step in steps() for name in step.names}
    assert found["tso_market"] == ("tso_clear", ("transmission:\nDC, linear",))
    assert found["common_market"][1] == ("transmission:\nDC, linear", "areas:\nLinDistFlow")
    assert found["forward_bids"][1] == ()
    assert "AC\npower flow" in found["validate_mol"][1]
    blocks = {block.name for scheme in SCHEMES.values() for block in scheme.blocks}
    assert blocks <= set(found)


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_is_readable_and_its_file_is_that_of_today(name: str) -> None:
    with house_style():
        figure = DRAWINGS[name]()
        texts = _texts(figure)
        assert figure.get_figwidth() * 2.54 == pytest.approx(WIDTH_CM)
        assert figure.get_facecolor() == (1.0, 1.0, 1.0, 1.0)  # white, on a dark page too
        sizes = [text.get_fontproperties().get_size_in_points() for text in texts]
        assert min(sizes) >= POINTS == 9.0
        figure.canvas.draw()
        edge = figure.bbox
        boxes = [text.get_window_extent() for text in texts]
    for text, box in zip(texts, boxes, strict=True):
        assert edge.x0 <= box.x0 <= box.x1 <= edge.x1, text
        assert edge.y0 <= box.y0 <= box.y1 <= edge.y1, text
    crossing = [
        (texts[i].get_text(), texts[k].get_text())
        for i in range(len(boxes))
        for k in range(i)
        if boxes[i].shrunk(0.98, 0.98).overlaps(boxes[k].shrunk(0.98, 0.98))
    ]
    assert crossing == []
    written = re.findall(r"<!-- (.+?) -->", (FOLDER / f"{name}.svg").read_text(encoding="utf-8"), re.DOTALL)
    drawn = [line for text in texts for line in text.get_text().split("\n")]
    assert sorted(html.unescape(line) for line in written) == sorted(drawn), (
        "python -m tandem_sim.experiments.drawings"
    )


def _texts(figure: Figure) -> list[matplotlib.text.Text]:
    return [text for text in figure.findobj(matplotlib.text.Text) if text.get_text() and text.get_visible()]


def test_drawings_follow_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {text.get_text() for text in _texts(draw_times.isp_figure())}
    leads = GateSettings(prequalify=46.5)
    monkeypatch.setattr(
        "tandem_sim.experiments.drawings.times.GateSettings.minutes", lambda _: leads.model_dump()
    )
    after = {text.get_text() for text in _texts(draw_times.isp_figure())}
    assert after - before == {"T-46.5 min"}
    assert before - after == {"T-45 min"}


def test_entries_that_are_sent_have_words() -> None:
    sent = {entry for drawn in families() for entry in (*drawn.to_clearer, *drawn.to_dso, *drawn.from_tso)}
    assert sent == set(ENTRIES)
    texts = " ".join(text.get_text() for text in _texts(draw_flows.information_figure()))
    assert all(short.replace(" ", "\N{NO-BREAK SPACE}") in texts for short, _ in ENTRIES.values())


def test_the_tables_of_schemes_are_those_of_today() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tandem_sim.experiments.drawings"


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")
