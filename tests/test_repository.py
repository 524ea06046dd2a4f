"""The habits of the repository: licences of files, hooks before a commit, forms of issues, links of pages."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
FORMS = sorted(
    path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"
)
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / ".github").rglob("*.md")])
ANSWERS = {"input", "textarea", "dropdown", "checkboxes"}
"""Parts of a form that somebody fills in; a part of type markdown is only read."""
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
TARGET = re.compile(r"\]\(([^)\s]+)\)")


def _tracked() -> list[str]:
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout: which files belong to the project is not known")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0") if name]


def pattern_of(glob: str) -> re.Pattern[str]:
    """A path of REUSE.toml: ``*`` is anything but a slash, ``**`` anything (REUSE specification 3.3)."""
    parts = re.split(r"(\*\*|\*)", glob)
    return re.compile("".join({"**": ".*", "*": "[^/]*"}.get(part, re.escape(part)) for part in parts))


def _entries() -> list[tuple[list[str], dict[str, Any]]]:
    """The entries of REUSE.toml, each with its paths."""
    entries = tomllib.loads((ROOT / "REUSE.toml").read_text(encoding="utf-8"))["annotations"]
    return [([e["path"]] if isinstance(e["path"], str) else e["path"], e) for e in entries]


def licence_of(name: str, entries: Iterable[tuple[list[str], dict[str, Any]]]) -> str | None:
    """The licence of a file: that of the last entry with a path that fits."""
    fitting = [e for paths, e in entries if any(pattern_of(glob).fullmatch(name) for glob in paths)]
    if not fitting:
        return None
    assert fitting[-1]["SPDX-FileCopyrightText"], name
    return str(fitting[-1]["SPDX-License-Identifier"])


def test_every_file_has_a_licence_and_every_licence_a_text() -> None:
    entries = _entries()
    found = {n: licence_of(n, entries) for n in _tracked() if not n.startswith("LICENSES/")}
    assert [name for name, licence in found.items() if licence is None] == []
    used = {part for licence in found.values() if licence for part in licence.split(" AND ")}
    assert used == {path.stem for path in (ROOT / "LICENSES").iterdir()}


def test_every_path_of_the_licence_file_fits_a_file() -> None:
    names = _tracked()
    globs = [glob for paths, _ in _entries() for glob in paths]
    assert [g for g in globs if not any(pattern_of(g).fullmatch(name) for name in names)] == []


@pytest.mark.parametrize(
    ("name", "licence"),
    [
        ("grids/io/read.py", "BSD-3-Clause"),
        ("README.md", "BSD-3-Clause"),
        ("grids/data/case69_bus.csv", "LicenseRef-Published-Grid-Data"),
        ("experiments/cases/alexander-a/D1.json", "BSD-3-Clause AND LicenseRef-Published-Grid-Data"),
        ("grids/data/case70_bus.csv", None),
        ("experiments/cases/mine/T.json", None),
    ],
)
def test_new_data_have_no_licence_by_themselves(name: str, licence: str | None) -> None:
    assert licence_of(name, _entries()) == licence


def test_hooks_are_the_commands_of_make_lint() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "\nBIN := .venv/bin\n" in makefile
    recipe = makefile.split("\nlint:")[1].split("\n\n")[0].splitlines()[1:]
    repos = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    hooks = [hook for repo in repos for hook in repo["hooks"]]
    assert [hook["entry"] for hook in hooks] == [
        line.strip().replace("$(BIN)", ".venv/bin") for line in recipe
    ]
    assert {repo["repo"] for repo in repos} == {"local"}  # others are downloaded
    assert {hook["language"] for hook in hooks} == {"system"}


def test_there_are_forms_of_issues() -> None:
    assert {path.stem for path in FORMS} == {"fault", "proposal", "question"}


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_is_one(path: Path) -> None:
    """GitHub shows no form that breaks one of its rules, and says so nowhere but on its page."""
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert form["name"]
    assert form["description"]
    filled = [part for part in form["body"] if part["type"] in ANSWERS]
    assert filled
    assert {part["type"] for part in form["body"]} <= ANSWERS | {"markdown"}
    assert all(part["attributes"]["value"] for part in form["body"] if part["type"] == "markdown")
    labels = [part["attributes"]["label"] for part in filled]
    ids = [part["id"] for part in filled]
    assert len({*labels}) == len(labels)
    assert len({*ids}) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", name) for name in ids)
    for part in filled:
        assert type(part.get("validations", {}).get("required", False)) is bool
        options = part["attributes"].get("options", [])
        assert len({*options}) == len(options)
        assert bool(options) == (part["type"] == "dropdown")


def test_a_fault_is_reported_with_what_is_needed() -> None:
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / "fault.yml").read_text(encoding="utf-8"))
    required = [p["id"] for p in form["body"] if p.get("validations", {}).get("required")]
    assert required == ["version", "command", "scenario", "message", "expected"]


def anchors_of(text: str) -> set[str]:
    """What a link may name behind ``#``: headings as GitHub makes them, equal ones numbered, and marks.

    Lower case, without punctuation, a hyphen for every space.
    """
    titles = re.findall(r"^#{1,6} +(.+?) *#*$", FENCED.sub("", text), re.MULTILINE)
    shown = (TARGET.sub("", title).replace("[", "") for title in titles)  # of a link its text is shown
    slugs = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in shown]
    seen: Counter[str] = Counter()
    anchors = set(re.findall(r'<a name="([\w-]+)"></a>', text))  # those a page sets itself
    for slug in slugs:
        anchors.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return anchors


def broken_links(page: Path, text: str) -> Iterator[str]:
    """Links of a page to files or headings that do not exist. Addresses of the web are left out."""
    prose = COMMENT.sub("", re.sub(r"`[^`\n]*`", "", FENCED.sub("", text)))
    for target in TARGET.findall(prose):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        file = (page.parent / place).resolve() if place else page
        if not (file.is_relative_to(ROOT) and file.exists()):
            yield target
            continue
        known = anchors_of(file.read_text(encoding="utf-8") if place else text) if anchor else {""}
        if anchor not in known:
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert list(broken_links(page, page.read_text(encoding="utf-8"))) == []


def test_the_check_of_links_can_fail() -> None:
    text = "# A page\n[a](no.md) [b](README.md#no) [c](#no) `[d](no)` [e](README.md) [f](#a-page) [g](https://h.i)"
    assert list(broken_links(ROOT / "README.md", text)) == ["no.md", "README.md#no", "#no"]


def test_headings_become_anchors_as_github_makes_them() -> None:
    text = "# Case (`tandem clear`)\n## A, B & C\n## Same\n```\n# no\n```\n## Same\n## [x_y](z.md): what"
    assert anchors_of(text) == {"case-tandem-clear", "a-b--c", "same", "same-1", "x_y-what"}


def test_policies_name_the_python_versions_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    first, last = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", project["requires-python"]).groups()  # type: ignore[union-attr]
    named = f"3.{first} to 3.{int(last) - 1}"
    for page in ("docs/policies.md", "CONTRIBUTING.md", "README.md"):
        assert named in (ROOT / page).read_text(encoding="utf-8"), page
