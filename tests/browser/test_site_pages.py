"""The built site in Chromium: no error, nothing from outside, no sideways scrolling, every picture loaded.

The site is built once, with one notebook executed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser.conftest import Opening

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
EXECUTED = "first_week"
PAGES = (
    "index",
    "docs/model",
    "docs/schemes",
    "docs/formats",
    "docs/gallery",
    "docs/api/runs",
    "docs/api/strategies",
    f"docs/notebooks/{EXECUTED}",
    "search",
)
WIDER = """width => [...document.querySelectorAll(".content *")].filter(part => {
  const box = part.getBoundingClientRect();
  if (box.width === 0 || box.right <= width + 1) return false;
  for (let up = part; !up.classList.contains("content"); up = up.parentElement)
    if (["auto", "scroll"].includes(getComputedStyle(up).overflowX)) return false;
  return true;
}).map(part => part.outerHTML.slice(0, 80))"""
"""Parts that reach beyond the screen and lie in no box that scrolls."""
NOT_LOADED = "() => [...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.src)"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("myst_nb", reason="myst-nb is missing: pip install -e '.[docs]'")
    out = tmp_path_factory.mktemp("site")
    others = [p.name for p in (ROOT / "docs" / "notebooks").glob("*.ipynb") if p.stem != EXECUTED]
    left_out = " ".join(f"docs/notebooks/{name}" for name in others)
    subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", "-c", "docs/site", ".", out],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NOTEBOOKS_NOT_RUN": left_out},
        check=True,
    )
    return out


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 820, 1400])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole(opening: Opening, site: Path, name: str, width: int, theme: str) -> None:
    page, seen = opening((site / f"{name}.html").as_uri(), width, theme)
    page.evaluate("document.querySelectorAll('img').forEach(image => { image.loading = 'eager'; })")
    page.wait_for_load_state("networkidle")
    assert seen["errors"] == []
    assert [url for url in seen["requests"] if not url.startswith(site.as_uri())] == []
    assert page.evaluate(NOT_LOADED) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(WIDER, width) == []
    channels = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (sum(channels[:3]) > 600) == (theme == "light")


def test_the_search_finds_a_term(opening: Opening, site: Path) -> None:
    page, seen = opening(f"{(site / 'search.html').as_uri()}?q=envelope", 1400, "light")
    page.wait_for_selector("#search-results li a")
    assert page.locator("#search-results li a").count() > 3
    assert seen["errors"] == []


def test_the_menu_opens_on_a_telephone(opening: Opening, site: Path) -> None:
    page, seen = opening((site / "index.html").as_uri(), 390, "light")
    page.locator(".mobile-header label[for=__navigation]").click()
    page.locator(".sidebar-tree a", has_text="A first week").click()
    page.wait_for_selector("h1")
    assert "A first week" in page.inner_text("h1")
    assert seen["errors"] == []


def test_the_notebook_has_figures_and_results(opening: Opening, site: Path) -> None:
    page, _ = opening((site / "docs" / "notebooks" / f"{EXECUTED}.html").as_uri(), 1400, "light")
    assert page.locator(".cell_output img").count() >= 2
    assert page.locator(".cell_output table").count() >= 1
    assert page.locator(".cell_output .stderr").count() == 0
