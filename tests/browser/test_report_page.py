"""A report opened in Chromium: no error, nothing from outside, every plot drawn, slider and keys work.

`make test-browser` runs this with the Chromium of the distribution; without one the tests are skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tandem_sim.experiments.report.write import write_report
from tandem_sim.experiments.runs.run import run_scenario
from tests.browser.conftest import Opening
from tests.experiments.report.hostile import make_hostile
from tests.sim.conftest import HOURLY, small_scenario

pytestmark = pytest.mark.browser
DRAWN = """() => [...document.querySelectorAll(".plot canvas")].map(canvas => {
  const found = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const colours = new Set();
  for (let k = 0; k < found.length; k += 4)
    if (found[k + 3] > 200) colours.add(found[k] << 16 | found[k + 1] << 8 | found[k + 2]);
  return colours.size;
})"""
"""Different opaque colours of each canvas: axes alone have few, lines add theirs."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for scheme in ("multilevel-03", "central-01"):
        run_scenario(
            small_scenario(**HOURLY, scheme=scheme), None, folder / scheme, plots=False, checkpoint_s=0
        )
    out = folder / "report.html"
    write_report([str(folder)], out, None)
    return out


@pytest.fixture
def opened(opening: Opening, report: Path) -> Callable[[int, str], tuple[Any, dict[str, list[str]]]]:
    """Opens the report at a width and in a theme; what the page did is in the second value."""

    def open_report(width: int, theme: str) -> tuple[Any, dict[str, list[str]]]:
        page, seen = opening(report.as_uri(), width, theme)
        page.wait_for_selector("#maps svg")
        return page, seen

    return open_report


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 800, 1400])
def test_the_page_is_whole(opened: Any, report: Path, width: int, theme: str) -> None:
    page, seen = opened(width, theme)
    assert seen == {"errors": [], "requests": [report.as_uri()], "dialogs": []}
    colours = page.evaluate(DRAWN)
    assert len(colours) == page.locator(".plot").count() > 6
    assert min(colours) > 3, colours
    assert page.evaluate("document.documentElement.scrollWidth") <= width  # nothing is wider than the screen
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}[theme]


def test_the_theme_can_be_chosen(opened: Any) -> None:
    page, seen = opened(800, "light")
    page.select_option("#theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
    assert min(page.evaluate(DRAWN)) > 3
    assert seen["errors"] == []


def test_slider_and_keys_move_the_maps(opened: Any) -> None:
    page, seen = opened(1400, "light")
    page.focus("#time")
    page.keyboard.press("Home")
    first = page.inner_text("#when")
    says = page.inner_text(".map .says >> nth=0")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.input_value("#time") == "2"
    assert page.inner_text("#when") != first
    page.keyboard.press("PageDown")
    assert page.input_value("#time") == "23"  # a day of 24 ISPs further is beyond the end
    page.keyboard.press("End")
    assert page.input_value("#time") == page.get_attribute("#time", "max")
    assert page.inner_text(".map .says >> nth=0") != says
    page.keyboard.press("Home")
    page.keyboard.press(" ")
    for _ in range(100):  # the page's policy allows no condition as text, so it is asked for again and again
        if int(page.input_value("#time")) > 1:
            break
        page.wait_for_timeout(100)
    assert int(page.input_value("#time")) > 1
    page.keyboard.press(" ")
    assert page.inner_text("#play") == "Play"
    page.click("#worst")
    page.select_option("#system", index=0)
    assert seen["errors"] == []


def test_plots_zoom_together_by_keys(opened: Any) -> None:
    page, seen = opened(1400, "light")
    spans = "[...CHARTS.values()].map(chart => chart.scales.x.max - chart.scales.x.min)"
    whole = page.evaluate(spans)
    page.focus("[data-plot='prices']")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("+")
    zoomed = page.evaluate(spans)
    assert len({*zoomed}) == 1
    assert zoomed[0] == pytest.approx(whole[0] / 2)
    page.keyboard.press("0")
    assert page.evaluate(spans) == whole
    assert seen["errors"] == []


def test_it_prints_light(opened: Any) -> None:
    page, seen = opened(800, "dark")
    assert len(page.pdf()) > 50_000
    assert seen["errors"] == []


@pytest.mark.parametrize("width", [390, 1400])
def test_a_folder_of_a_stranger_runs_nothing(
    opening: Opening, report: Path, tmp_path: Path, width: int
) -> None:
    folder = tmp_path / "stranger"
    make_hostile(report.parent / "central-01", folder, huge=True)
    out = tmp_path / "report.html"
    write_report([str(folder)], out, None)
    page, seen = opening(out.as_uri(), width, "light")
    page.wait_for_selector("#maps svg")
    page.focus("#time")
    for key in ("Home", "ArrowRight", "End"):
        page.keyboard.press(key)
    for number in range(page.locator(".plot").count()):
        page.locator(".plot").nth(number).hover()
    page.locator("#maps svg *").first.hover(force=True)
    assert seen == {"errors": [], "requests": [out.as_uri()], "dialogs": []}
    assert page.locator("img").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
