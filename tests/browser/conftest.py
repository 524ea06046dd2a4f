"""A Chromium for all tests of this folder, and what a page did while it was open."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
Opening = Callable[[str, int, str], tuple[Any, dict[str, list[str]]]]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is missing: pip install -e '.[browser]'"
    )
    place = next((path for name in NAMES if (path := shutil.which(name))), None)
    if place is None:
        pytest.skip("no Chromium found: apt-get install chromium")
    sandbox = [] if not hasattr(os, "geteuid") or os.geteuid() else ["--no-sandbox"]  # root has none
    with api.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=place, args=sandbox)
        yield opened
        opened.close()


@pytest.fixture
def opening(browser: Any) -> Iterator[Opening]:
    """Opens an address at a width and in a theme; errors, requests and dialogs are in what it returns."""
    contexts = []

    def open_page(address: str, width: int, theme: str) -> tuple[Any, dict[str, list[str]]]:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
        contexts.append(context)
        page = context.new_page()
        seen: dict[str, list[str]] = {"errors": [], "requests": [], "dialogs": []}
        page.on(
            "console",
            lambda line: seen["errors"].append(line.text) if line.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: seen["errors"].append(str(error)))
        page.on("request", lambda request: seen["requests"].append(request.url))

        def dismissed(dialog: Any) -> None:
            seen["dialogs"].append(dialog.message)
            dialog.dismiss()

        page.on("dialog", dismissed)
        page.goto(address)
        return page, seen

    yield open_page
    for context in contexts:
        context.close()
