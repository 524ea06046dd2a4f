"""Documents spoiled in every way that a slip, a bad export or an ill will may spoil them, for fuzz tests.

    for mutant in mutants(path.read_bytes(), 200, "yaml"):
        path.write_bytes(mutant)
        ...  # either it is accepted, or an `InputError` says in one line why not

Two of three mutants are spoiled as text: bytes are changed, lines doubled, removed and swapped, numbers and
values replaced by odd ones, keys renamed. The others (``yaml``, ``json``) are read, spoiled as a tree (keys
taken away, added or renamed, values of another type, values put where others stand, lists and sections nested
without need) and written again. Each has one to three faults. The same seed document, kind and `n` give the
same mutants, and the first of many are those of few.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import islice
from typing import Any, Literal

import yaml

Kind = Literal["yaml", "json", "csv"]

NUMBERS = (
    *("0", "-1", "-0", "1", "7", "100000", "0.5", "-2.5", "1e3", "1E3", "1e308", "-1e308", "1e-320", "1e999"),
    *("1e-999", "010", "0o10", "0x1F", "1_000", "1:30", "+5", "5.", ".5", "--5", "1,5", "1 000", "5%", "1e"),
    *(
        "NaN",
        ".nan",
        ".inf",
        "-Infinity",
        "nan",
        "true",
        "no",
        "null",
        "",
        "\u0663",
        "\uff11\uff12",
        "\u22125",
    ),
    *("9" * 50, "9" * 5000, "0." + "3" * 500),
)
"""Numbers, and what may be taken for one. Counts stay below a million, so that no mutant is a large model."""
WORDS = (
    *(
        "yes",
        "NO",
        "on",
        "off",
        "True",
        "~",
        "none",
        "''",
        '""',
        "''''",
        "x" * 10_000,
        "a\x1b[2Jb",
        "a\u202eb",
    ),
    *("caf\u00e9", '"\\ud800"', '"\\u0000"', '"a\\nb"', "../../x.yaml", "/dev/zero", "case14", "2016-02-30"),
    *(
        "2016-04-18T25:00",
        "9999-12-31",
        "!!python/object/apply:os.getcwd []",
        "!!binary aGk=",
        "!!set {a, b}",
    ),
    *("&x [*x]", "*nowhere", "<<: {a: 1}", "|", "[" * 3000, "{a: " * 100, "- " * 100, "{", "]", "[1, 2]"),
    *("{a: 1}", "@", "`", "%", "#", ": :", "---", "..."),
)
"""Values that are no numbers, whole or broken."""
BOMB = ("&b0 [1,1,1,1,1,1,1,1,1,1]", *(f"&b{k} [{','.join([f'*b{k - 1}'] * 10)}]" for k in range(1, 9)))
"""A thousand million ones, in nine lists of ten."""

_NUMBER = re.compile(r"(?<![\w.-])-?\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.])")
_KEY = re.compile(r"[\w.]+(?=\"?\s*:)")
_VALUE = re.compile(r"(?<=[:,\[] )[^\s,\]}{\[]+|(?<=[:,\[])\"[^\"]*\"|(?<=,)[^,\n]+")


def mutants(seed: bytes | str, n: int, kind: Kind) -> Iterator[bytes]:
    """The first `n` mutants of a document. They may be no UTF-8."""
    text = seed if isinstance(seed, str) else seed.decode("utf-8")
    return islice(_all(text, kind), n)


def _all(text: str, kind: Kind) -> Iterator[bytes]:
    rng = random.Random(f"{kind}\n{text}")
    while True:
        faults = rng.choice((1, 1, 1, 2, 3))
        if kind == "csv" or rng.random() < 2 / 3:
            spoiled = text
            for _ in range(faults):
                spoiled = rng.choice(OF_TEXT)(rng, spoiled)
            data = spoiled.encode("utf-8", "surrogatepass")
            yield _with_bytes(rng, data) if rng.random() < 0.1 else data
        else:
            tree = json.loads(text) if kind == "json" else yaml.safe_load(text)
            for _ in range(faults):
                tree = _spoiled(rng, tree)
            yield _written(tree, kind).encode("utf-8", "surrogatepass")


def _written(tree: Any, kind: Kind) -> str:
    return json.dumps(tree, default=str) if kind == "json" else yaml.safe_dump(tree, sort_keys=False)


# as text


def _with_bytes(rng: random.Random, data: bytes) -> bytes:
    """A byte changed, put in or taken out."""
    place, byte = rng.randrange(len(data) + 1), bytes([rng.randrange(256)])
    return data[:place] + rng.choice((byte, b"", byte * 2)) + data[place + rng.randrange(2) :]


def _lines(rng: random.Random, text: str) -> str:
    """A line doubled, taken away, swapped with another, moved in, or everything behind it lost."""
    lines = text.splitlines(keepends=True) or [""]
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(5):
        case 0:
            lines.insert(other, lines[at])
        case 1:
            del lines[at]
        case 2:
            lines[at], lines[other] = lines[other], lines[at]
        case 3:
            lines[at] = rng.choice(("  ", " ", "\t", "- ")) + lines[at]
        case _:
            lines = [*lines[:at], lines[at][: rng.randrange(len(lines[at]) + 1)]]
    return "".join(lines)


def _replaced(pattern: re.Pattern[str], odd: Callable[[random.Random, str], str]) -> Callable[..., str]:
    """One of what a pattern finds in a text, replaced."""

    def spoil(rng: random.Random, text: str) -> str:
        found = [m.span() for m in pattern.finditer(text)]
        if not found:
            return _lines(rng, text)
        first, last = rng.choice(found)
        return text[:first] + odd(rng, text[first:last]) + text[last:]

    return spoil


def _renamed(rng: random.Random, key: str) -> str:
    at = rng.randrange(len(key))
    return rng.choice(
        (key[:at] + key[at + 1 :], f"{key}s", key.upper(), "x" * 5000, "", "on", "3", key.swapcase())
    )


def _bomb(rng: random.Random, text: str) -> str:
    """Lists of aliases of lists, as a value or as keys of their own."""
    if rng.random() < 0.5:
        return text + "".join(f"\nz{k}: {level}" for k, level in enumerate(BOMB))
    return _replaced(_VALUE, lambda _, old: f"[{', '.join(BOMB)}]")(rng, text)


OF_TEXT: tuple[Callable[[random.Random, str], str], ...] = (
    _lines,
    _lines,
    _replaced(_NUMBER, lambda rng, _: rng.choice(NUMBERS)),
    _replaced(_NUMBER, lambda rng, _: rng.choice(NUMBERS)),
    _replaced(_VALUE, lambda rng, _: rng.choice((*NUMBERS, *WORDS))),
    _replaced(_VALUE, lambda rng, _: rng.choice(WORDS)),
    _replaced(_KEY, _renamed),
    _bomb,
)

# as a tree

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 100_000, 0.5, -0.0, 1e308, 1e-300, float("nan"), float("inf"), 10**400),
    *("", "x", "1", "NaN", "true", "a\x1b[2J", "x" * 10_000, "2016-04-18", "\U0001f600"),
    *([], {}, [None], {"": None}, [[]], {"a": {"a": {}}}),
)


def _spoiled(rng: random.Random, tree: Any) -> Any:
    """A tree with one fault, at a place drawn at random."""
    places = list(_places(tree))
    if not places:
        return deepcopy(rng.choice(VALUES))
    at, key = rng.choice(places)
    other = at[key]
    match rng.randrange(8):
        case 0 | 1:
            at[key] = deepcopy(rng.choice(VALUES))
        case 2:
            del at[key]
        case 3:
            near, inside = rng.choice(places)
            at[key] = json.loads(json.dumps(near[inside], default=str))
        case 4:
            at[key] = rng.choice(([other], {"a": other}, [other] * 3))
        case 5:
            for _ in range(rng.choice((5, 60))):
                other = rng.choice(([other], {"a": other}))
            at[key] = other
        case 6 if isinstance(at, dict):
            at[_renamed(rng, key) if key else "x"] = at.pop(key)
        case _:
            extra = deepcopy(rng.choice(VALUES))
            if isinstance(at, dict):
                at[rng.choice(("x", "", "a.b", "name", key + "_"))] = extra
            else:
                at.insert(key, extra)
    return tree


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a tree: what it lies in, and its key or index."""
    inside = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inside:
        yield tree, key
        yield from _places(value)
