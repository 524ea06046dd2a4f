"""Labels of random streams, pinned: a renamed class or constant must not change any draw."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tandem_sim.agents.base import messages
from tandem_sim.agents.base.messages import Message

TOP = Path(__file__).resolve().parents[3]
FOLDERS = ("grids", "markets", "agents", "sim", "experiments")

OF_MESSAGES = {
    "AmendMessage": "amend",
    "AssetResultMessage": "asset result",
    "AssetsMessage": "assets",
    "AwardMessage": "award",
    "BaselineMessage": "baseline",
    "BidsMessage": "bids",
    "CapacityAwardMessage": "capacity award",
    "CapacityBidsMessage": "capacity bids",
    "DayAheadMessage": "day ahead",
    "ImbalanceMessage": "imbalance",
    "LimitMessage": "limit",
    "NominationMessage": "nomination",
    "OrderMessage": "order",
    "PlatformMessage": "platform",
    "QualificationMessage": "qualification",
    "ReactiveAwardMessage": "reactive award",
    "ReactiveBidsMessage": "reactive bids",
    "ReactiveOrderMessage": "reactive order",
    "RejectionMessage": "rejection",
    "ReservedMessage": "reserved",
    "RevisionMessage": "revision",
    "ScheduleMessage": "schedule",
    "ShortfallMessage": "shortfall",
    "StateMessage": "house",
    "SubstitutionAcceptanceMessage": "help accept",
    "SubstitutionOfferMessage": "help offer",
    "SubstitutionRequestMessage": "help",
    "SupplyMessage": "supply",
    "TenderMessage": "tender",
    "TerminationMessage": "termination",
}
"""Message class -> its `chance`. Results depend on the values; the class names may change."""

OF_STREAMS = {
    # in runs
    "audited ISPs",
    "capacity price",
    "case",
    "contracts",
    "declared baseline",
    "forecast",
    "households",
    "inside the ISP",
    "message",
    "pools at bus",
    "seller",
    "set-points",
    "strategy",
    # in studies
    "alexander T bids",
    "alexander {name} bids",
    "alexander {name} injections",
    "alexander {name} lines",
    "alexander {name} new",
    "equal schemes",
    "learner {s}",
    "owners of {case.name}",
}
"""Labels given to `stream(seed, label, ...)` and `draws(label, ...)`; in braces what varies."""


def test_labels_of_messages_are_frozen() -> None:
    classes = {
        name: kind
        for name, kind in vars(messages).items()
        if isinstance(kind, type) and issubclass(kind, Message) and kind is not Message
    }
    assert {name: kind.chance for name, kind in classes.items()} == OF_MESSAGES


def test_labels_of_streams_are_frozen() -> None:
    trees = [
        ast.parse(path.read_text(encoding="utf-8"))
        for folder in FOLDERS
        for path in sorted((TOP / folder).rglob("*.py"))
    ]
    constants = dict(pair for tree in trees for pair in _constants(tree))
    found = {_text(label, constants | dict(_constants(tree))) for tree in trees for label in _labels(tree)}
    assert found == OF_STREAMS


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Constants of a module that are texts."""
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        target, value = (node.targets[0] if isinstance(node, ast.Assign) else node.target), node.value
        if isinstance(target, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield target.id, value.value


def _labels(tree: ast.Module) -> Iterator[ast.expr]:
    """The label of every call of `stream` and `draws`."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called == "partial" and isinstance(node.args[0], ast.Name) and node.args[0].id == "stream":
            yield node.args[2]
        elif called == "stream":
            yield node.args[1]
        elif called == "draws":
            yield node.args[0]


def _text(label: ast.expr, constants: dict[str, str]) -> str:
    """The text of a label: a literal, a constant by name, or a pattern with its variables in braces."""
    if isinstance(label, ast.Name):
        return constants[label.id]
    if isinstance(label, ast.JoinedStr):
        return ast.unparse(label)[2:-1]
    assert isinstance(label, ast.Constant)
    return str(label.value)
