"""The site of the documentation has every page, and its links lead to pages of the site or are text."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
needs_sphinx = pytest.mark.skipif(
    importlib.util.find_spec("myst_parser") is None, reason="the extra docs is not installed"
)


@pytest.fixture
def conf() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_conf", ROOT / "docs" / "site" / "conf.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_contents_list_every_page_once(conf: ModuleType) -> None:
    listed = [page for pages in conf.CONTENTS.values() for page in pages]
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "studies").glob("*.md")]
    there = {path.relative_to(ROOT).with_suffix("").as_posix() for path in found}
    assert sorted(listed) == sorted(there - {conf.root_doc})


def test_links_to_what_is_no_page_become_text(conf: ModuleType) -> None:
    text = (
        "[a](query.md#rules) [b](../markets/schemes.py) [c](https://h.i) `[d](../x.py)` [`k`](../x.py)\n"
        "![e](figures/f.png)\n"
        "[f](model.md#network-flexibility-study) [g](#here)\n```\n[h](../x.py)\n```\n"
    )
    assert conf.plain_links(text, ROOT / "docs") == (
        "[a](query.md#rules) b [c](https://h.i) `[d](../x.py)` `k`\n![e](figures/f.png)\n"
        "[f](model.md#the-network-flexibility-study-belgium) [g](#here)\n```\n[h](../x.py)\n```\n"
    )


def test_tables_of_studies_get_a_title(conf: ModuleType) -> None:
    assert conf.titled("### A\n```\n# no\n```\n#### B\n", "docs/studies/x_tables") == (
        "# X tables\n\n## A\n```\n# no\n```\n### B\n"
    )
    assert conf.titled("# A\n", "a") == "# A\n"


@needs_sphinx
@pytest.mark.long("builds the whole site; the pages and the rules for links are tested without")
def test_the_site_is_built_without_warnings_and_refers_to_nothing_outside(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", "-c", "docs/site", ".", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (built.returncode, built.stderr) == (0, "")
    for page in tmp_path.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for outside in (
            '<script src="http',
            '<link rel="stylesheet" type="text/css" href="http',
            '<img src="h',
        ):
            assert outside not in text, page.name
