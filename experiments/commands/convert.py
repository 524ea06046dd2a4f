"""What ``tandem convert`` does: a scenario, sweep or case of an earlier version under the names of this one.

Only names change, where they stand: comments, order and numbers stay as they were written. The names come
from `grids.renames`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from tandem_sim.experiments.run_folder.outputs import whole
from tandem_sim.grids.documents.json_reader import LARGEST_JSON, read_json
from tandem_sim.grids.documents.text import is_there, read_text
from tandem_sim.grids.documents.yaml_reader import LARGEST_YAML, read_yaml
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.renames import new_key, renamed

Change = tuple[int, int, str, str]
"""Where a name stands in the text (first and last character), the name, and the new one."""
NAMED = ("based_on", "scenario")
"""Keys whose value is the name of a bundled scenario."""
DOTTED = ("set", "vary", "also")
"""Keys of a sweep below which keys of scenarios are given by their paths."""


def convert(path: Path, out: Path | None = None) -> list[str]:
    """Rewrite a file into `out` (None: in its place); what was renamed, a line each.

    Raises `InputError` if the file cannot be read, or `out` is there already.
    """
    if not is_there(path):
        raise InputError(str(path), "FILE", "the file does not exist", "Check the path")
    if out is not None and is_there(out):
        raise InputError(str(out), "--out", "exists", "Name a file that does not")
    is_case = path.suffix == ".json"
    text = read_text(path, LARGEST_JSON if is_case else LARGEST_YAML)
    if is_case:
        read_json(text, str(path))
    else:
        read_yaml(text, str(path))
    changes = sorted(set(_options(text) if is_case else _keys(text)))
    for start, end, _, new in reversed(changes):
        text = text[:start] + new + text[end:]
    with whole(out or path) as part:
        part.write_text(text, encoding="utf-8")
    return list(dict.fromkeys(f"{old} -> {new}" for _, _, old, new in changes))


def _keys(text: str) -> Iterator[Change]:
    """Names of scenarios and sweeps."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if isinstance(root, yaml.MappingNode):
        yield from _below(root, "")


def _below(node: yaml.Node, above: str) -> Iterator[Change]:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _below(item, above)
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        path = f"{above}.{key.value}" if above else key.value
        new = new_key(path)
        name = None if new is None else new if "." in key.value else new.rpartition(".")[2]
        if name not in (None, key.value):
            yield _change(key, str(name))
        if not above and key.value in DOTTED:
            yield from _below(value, "")
        elif not above and key.value in NAMED and value.value in renamed("scenario"):
            yield _change(value, renamed("scenario")[value.value])
        else:
            yield from _below(value, path)


def _options(text: str) -> Iterator[Change]:
    """Names of the options of a case; JSON is read as YAML for the places of its keys."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == "options" and isinstance(value, yaml.MappingNode):
            for option, _ in value.value:
                if option.value in renamed("option"):
                    yield _change(option, renamed("option")[option.value])


def _change(node: yaml.ScalarNode, new: str) -> Change:
    quote = len(node.style) if node.style in ("'", '"') else 0
    return node.start_mark.index + quote, node.end_mark.index - quote, str(node.value), new
