"""The documentation as a site: README and all pages of docs, as they are on disk, with contents and search.

``make docs`` builds it into build/site. Sphinx reads the top of the repository as its source folder,
docstrings of public names for the pages in docs/api, and executes the notebooks in docs/notebooks. No page
refers to another site for fonts, scripts or pictures. A further page is a line in `CONTENTS`; a
test compares it with the pages there are.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
CONTENTS: dict[str, tuple[str, ...]] = {
    "Start": (
        "docs/tutorial",
        "docs/notebooks/first_week",
        "docs/notebooks/comparing_schemes",
        "docs/notebooks/strategic_bidder",
    ),
    "Use": (
        "docs/scenario",
        "docs/own_data",
        "docs/query",
        "docs/compare",
        "docs/figures",
        "docs/report",
        "docs/sweeps",
        "docs/formats",
    ),
    "Model": (
        "docs/concepts",
        "docs/model",
        "docs/schemes",
        "docs/equal_schemes",
        "docs/limits",
        "docs/validation",
        "docs/glossary",
    ),
    "Python": (
        "docs/api",
        "docs/api/runs",
        "docs/api/cases",
        "docs/api/schemes",
        "docs/api/strategies",
        "docs/api/agents",
        "docs/api/environments",
        "docs/api/testing",
        "docs/api/errors",
    ),
    "Extend": ("docs/extending", "CONTRIBUTING", "GOVERNANCE", "CODE_OF_CONDUCT"),
    "Studies": (
        "docs/gallery",
        "docs/studies/alexander",
        "docs/studies/alexander_tables",
        "docs/studies/alexander_voltage_tables",
        "docs/studies/checks",
        "docs/studies/checks_tables",
        "docs/studies/clash",
        "docs/studies/conflicts",
        "docs/studies/conflicts_tables",
        "docs/studies/envelopes",
        "docs/studies/envelopes_ac",
        "docs/studies/gate_closure",
        "docs/studies/gate_closure_tables",
        "docs/studies/grids",
        "docs/studies/inc_dec",
        "docs/studies/integrated",
        "docs/studies/integrated_tables",
        "docs/studies/learner",
        "docs/studies/learning",
        "docs/studies/non_firm",
        "docs/studies/pay_rules",
        "docs/studies/perimeter",
        "docs/studies/scale",
        "docs/studies/scaling",
        "docs/studies/timetables",
    ),
    "About": (
        "docs/trust",
        "docs/policies",
        "docs/renames",
        "docs/data_licences",
        "SECURITY",
        "CHANGELOG",
    ),
}
"""Every page by the part of the table of contents that it is in."""
PAGES = {page for pages in CONTENTS.values() for page in pages}

project = "Tandem"
author = "The Tandem authors"
project_copyright = author
root_doc = "README"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary"]
include_patterns = ["README.md", *(f"{page}.{end}" for page in sorted(PAGES) for end in ("md", "ipynb"))]
exclude_patterns = sorted(p.name for p in ROOT.iterdir() if p.is_dir() and p.name != "docs")
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
default_role = "py:obj"  # a name in single quotes of a docstring: a link if the site has it
myst_heading_anchors = 6
myst_enable_extensions = ["html_image"]
nb_execution_mode = "force"  # results of an earlier version of Tandem are not kept
nb_execution_excludepatterns = os.environ.get("NOTEBOOKS_NOT_RUN", "").split()  # for tests of the site
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_output_stderr = "remove"  # notes of libraries; an error ends the build
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
autodoc_type_aliases = {name: name for name in ("BoolArray", "FloatArray", "IntArray", "Given", "Instance")}
python_maximum_signature_line_length = 70
html_theme = "furo"
html_title = "Tandem"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_search_summary = False  # they are fetched, which a browser refuses for files on disk
html_copy_source = False
html_show_sourcelink = False
pygments_style = "friendly"
pygments_dark_style = "native"

FENCE = re.compile(r"(^```.*?^```)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?)\[((?:`[^`\n]*`|[^\[\]`])*)\]\(([^)\s]+)\)|`[^`\n]*`")
"""A link or a picture; or code, in which nothing is one."""
LANGUAGES = {"csv": "text", "console": "bash"}
"""Languages of code that Sphinx does not know, or takes for the output of a shell."""
MARK = re.compile(r'^<a name="([\w-]+)"></a>\n#+ (.+)$', re.MULTILINE)
HEADING = re.compile(r"^(#+) ", re.MULTILINE)


def contents() -> str:
    """The table of contents, for the end of the first page."""
    parts = (
        "\n".join(["```{toctree}", ":hidden:", f":caption: {part}", *pages, "```"])
        for part, pages in CONTENTS.items()
    )
    return "\n\n" + "\n\n".join(parts) + "\n"


def plain_links(text: str, folder: Path) -> str:
    """A page whose links to files that are no pages of the site are text; `folder` is where it lies."""

    def replaced(link: re.Match[str]) -> str:
        picture, shown, target = link.groups(default="")
        place = target.partition("#")[0]
        if picture or not place or re.match(r"[a-z]+:", target):
            return link[0]
        file = (folder / place).resolve()
        if os.path.splitext(os.path.relpath(file, ROOT))[0] not in {*PAGES, root_doc}:
            return shown
        anchor = target.partition("#")[2]
        heading = dict(MARK.findall(file.read_text(encoding="utf-8"))).get(anchor)
        return link[0] if heading is None else f"[{shown}]({place}#{slug(heading)})"

    parts = FENCE.split(text)
    return "".join(part if k % 2 else LINK.sub(replaced, part) for k, part in enumerate(parts))


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub and MyST make it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def titled(text: str, name: str) -> str:
    """A page with a title: tables of studies, which other pages include, begin with a lower heading."""
    parts = FENCE.split(text)
    levels = [len(marks) for part in parts[::2] for marks in HEADING.findall(part)]
    if 1 in levels:
        return text
    title = Path(name).name.replace("_", " ").capitalize()
    up = min(levels, default=2) - 2
    parts[::2] = [HEADING.sub(lambda found: found[1][up:] + " ", part) for part in parts[::2]]
    return f"# {title}\n\n" + "".join(parts)


def read(app: Sphinx, name: str, source: list[str]) -> None:
    """Prepare a page for Sphinx; the file stays. Notebooks need no preparation."""
    if not (ROOT / f"{name}.md").is_file():
        return
    text = plain_links(titled(source[0], name), (ROOT / name).parent)
    for language, known in LANGUAGES.items():
        text = text.replace(f"```{language}\n", f"```{known}\n")
    source[0] = text + (contents() if name == root_doc else "")


def list_parameters(
    app: Sphinx, what: str, name: str, documented: Any, options: Any, lines: list[str]
) -> None:
    """Turn the lines ``name: text`` under the heading Parameters of a docstring into a list."""
    if "Parameters" not in lines:
        return
    first = lines.index("Parameters")
    last = lines.index("", first)
    items = [re.sub(r"^(\w+(?:, \w+)*): ", r"* ``\1``: ", line) for line in lines[first + 2 : last]]
    lines[first:last] = ["**Parameters**", "", *(i if i[0] == "*" else f"  {i.strip()}" for i in items)]


def short_signature(
    app: Sphinx,
    what: str,
    name: str,
    documented: Any,
    options: Any,
    arguments: str | None,
    returned: str | None,
) -> tuple[str | None, str | None]:
    """Signatures without the fields of a scenario, which have a page of their own."""
    return ("(**keys)" if name == "tandem_sim.Scenario" else arguments), returned


def add_index(app: Sphinx, error: Exception | None) -> None:
    """Give the first page the name that a browser looks for."""
    if error is None and app.builder.format == "html":
        shutil.copyfile(app.outdir / f"{root_doc}.html", app.outdir / "index.html")


def setup(app: Sphinx) -> None:
    """Have Sphinx call these functions for every page and docstring, and at the end."""
    app.connect("source-read", read)
    app.connect("autodoc-process-docstring", list_parameters)
    app.connect("autodoc-process-signature", short_signature)
    app.connect("build-finished", add_index)
