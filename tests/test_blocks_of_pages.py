"""Every code block of README and docs runs. `make docs` takes these tests, `make test` does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pages import BEFORE, NOT_RUN, ROOT, Page, reason_not_to_run

FOUND = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
PAGES = sorted(page for page in FOUND if Page(page, ROOT).examples)


@pytest.mark.pages
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_blocks_of_a_page_run(page: Path, tmp_path: Path) -> None:
    Page(page, tmp_path).run()


def test_every_entry_of_what_is_not_run_is_on_a_page() -> None:
    blocks = [str(example.parsed) for page in PAGES for example in Page(page, ROOT).examples]
    lines = [line for block in blocks for line in (block, *block.splitlines())]
    assert {start for start in NOT_RUN if not any(line.startswith(start) for line in lines)} == set()
    assert {page for page in BEFORE if ROOT / page not in PAGES} == set()


def test_a_block_that_fails_is_named(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Save this as `a.txt`:\n\n```yaml\nx: 1\n```\n\n```console\ncat a.txt\nmake all\nfalse\n```\n"
    )
    tried = Page(page, tmp_path)
    with pytest.raises(AssertionError, match=r"page\.md: false"):
        tried.run()
    assert tried.said == {"cat a.txt": "x: 1\n"}
    assert reason_not_to_run("tandem game alexander-a --sellers 4") is not None
