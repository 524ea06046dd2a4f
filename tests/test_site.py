"""The site of the documentation: every page, every public name, links that lead to pages or are text."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import tandem_sim
from tandem_sim import testing

ROOT = Path(__file__).resolve().parents[1]
QUICK = ("-q", "-W", "-D", "nb_execution_mode=off", "-b", "html")
"""Options of Sphinx: warnings are errors, notebooks are not executed."""
needs_sphinx = pytest.mark.skipif(
    importlib.util.find_spec("myst_nb") is None, reason="the extra docs is not installed"
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
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").rglob("*.ipynb")]
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


def test_the_pages_of_the_python_interface_have_every_public_name_once() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs" / "api").glob("*.md")))
    documented = re.findall(r"^\.\. auto(?:function|class|exception):: (\S+)$", pages, re.MULTILINE)
    helpers = [
        f"testing.{name}"
        for name, value in vars(testing).items()
        if getattr(value, "__module__", "") == testing.__name__ and not name.startswith("_")
    ]
    environments = [f"experiments.environments.sellers_env.{name}" for name in ("SellersEnv", "SellerEnv")]
    public = [f"tandem_sim.{name}" for name in (*tandem_sim.__all__, *helpers, *environments)]
    assert sorted(documented) == sorted(public)
    overview = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    listed = re.findall(r"^   (tandem_sim\.\S+)$", overview, re.MULTILINE)
    assert sorted(listed) == sorted(name for name in public if "sellers_env" not in name)


@pytest.mark.parametrize("name", [*tandem_sim.__all__, "testing.check_strategy", "testing.check_block"])
def test_a_public_name_has_an_example(name: str) -> None:
    found: object = tandem_sim
    for part in name.split("."):
        found = getattr(found, part)
    assert ">>> " in (found.__doc__ or "")


@pytest.mark.parametrize(
    "path", sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem
)
def test_a_notebook_is_stored_without_results(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert any("must not conclude" in "".join(cell["source"]) for cell in cells)


@needs_sphinx
@pytest.mark.long("builds the whole site; the pages and the rules for links are tested without")
def test_the_site_is_built_without_warnings_and_refers_to_nothing_outside(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", *QUICK, "-c", "docs/site", ".", tmp_path],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (built.returncode, built.stderr) == (0, "")
    for page in tmp_path.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert re.findall(r'<(?:script|img|iframe)[^>]*src="(?:https?:)?//[^"]*"', text) == [], page.name
        assert re.findall(r'<link[^>]*href="(?:https?:)?//[^"]*"', text) == [], page.name
