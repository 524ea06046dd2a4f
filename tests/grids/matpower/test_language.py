"""The part of MATLAB that cases use. Right values are MATLAB's rules (its language reference) by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tandem_sim.grids.errors import MatlabError
from tandem_sim.grids.matpower.language import run
from tandem_sim.grids.matpower.values import Cell


def value(text: str) -> list[list[float]]:
    """What x is worth after a text, as rows."""
    rows: list[list[float]] = np.asarray(run(text)[0]["x"]).tolist()
    return rows


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        # What blanks part in brackets
        ("x = [1 -2]", [[1, -2]]),
        ("x = [1 - 2]", [[-1]]),
        ("x = [1 -2]'", [[1], [-2]]),
        ("a = 1; x = [a' a']", [[1, 1]]),
        ("x = [1, 2\n3, 4];", [[1, 2], [3, 4]]),
        ("x = [ % rows\n  1 2; % first\n\n  3 4 % second\n];", [[1, 2], [3, 4]]),
        ("x = [1 2 ... more\n 3];", [[1, 2, 3]]),
        ("x = [12/sqrt(4) 1e-3 2d2 Inf -Inf];", [[6, 1e-3, 200, np.inf, -np.inf]]),
        ("a = [1 2]; x = [a (1) 5]", [[1, 2, 1, 5]]),
        # Strength of operators
        ("x = -2^2", [[-4]]),
        ("x = 2^-1", [[0.5]]),
        ("x = 2^3^2", [[64]]),
        ("x = 6 / 2 * 3", [[9]]),
        ("x = 1:2 + 1", [[1, 2, 3]]),
        ("x = 1 + 1 == 2 & ~0", [[True]]),
        ("x = 2.^[1 2 3]", [[2, 4, 8]]),
        ("x = [3, 4] * [1; 2]", [[11]]),
        ("x = [1; 2] .* [3 4]", [[3, 4], [6, 8]]),
        ("x = 10:-3:1", [[10, 7, 4, 1]]),
        ("x = any([0 1]) && all([1 1]) || nothing", [[True]]),
        # Places
        ("a = [1 2; 3 4]; x = a(end, :)", [[3, 4]]),
        ("a = [1 2; 3 4]; x = a(:)'", [[1, 3, 2, 4]]),
        ("a = [1 2; 3 4]; x = a(2)", [[3]]),
        ("a = 1:5; a(a > 2) = 0; x = a", [[1, 2, 0, 0, 0]]),
        ("a = [1 2 3]; a(2) = []; x = a", [[1, 3]]),
        ("a = [1 2; 3 4; 5 6]; a([1 3], :) = []; x = a", [[3, 4]]),
        ("a(2, 3) = 7; x = a", [[0, 0, 0], [0, 0, 7]]),
        ("a = [1 2]; a(end + 1, :) = [3 4]; x = a", [[1, 2], [3, 4]]),
        ("a = [1 2 3]; a(:, [1 3]) = a(:, [3 1]); x = a", [[3, 2, 1]]),
        ("a = [1 2; 3 4]; b = a; b(1, 1) = 9; x = a", [[1, 2], [3, 4]]),
        ("m.a = 1; n = m; n.a = 2; x = m.a", [[1]]),
        ("c = {'a', [5 6]}; x = c{2}", [[5, 6]]),
        # Flow
        ("if 0, x = 1; elseif [1 0], x = 2; else, x = 3; end", [[3]]),
        ("x = 0; for k = 1:3, x = x + k; end", [[6]]),
        ("x = 0;\nfor k = [1 2; 3 4]\n  x = x + k(2);\nend", [[7]]),
        ("[a, ~, x] = idx_bus;", [[3]]),
        ("define_constants; x = [PD, BR_X, GEN_STATUS, ANGMIN, COST];", [[3, 4, 8, 12, 5]]),
        ("[r, x] = size([1 2 3])", [[3]]),
        # Functions
        ("x = sum([1 2; 3 4])", [[4, 6]]),
        ("x = sum([1 2; 3 4], 2)", [[3], [7]]),
        ("x = max([1 5; 7 2], [], 2)", [[5], [7]]),
        ("x = max([1 5], 3)", [[3, 5]]),
        ("x = find([0 1 1])", [[2, 3]]),
        ("x = round([2.5 -2.5])", [[3, -3]]),
        ("x = [mod(-1, 3) rem(-1, 3)]", [[2, -1]]),
        ("x = zeros(size([1 2; 3 4]))", [[0, 0], [0, 0]]),
        ("x = 1i * 1i", [[-1]]),
        ("x = abs(3 + 4j)", [[5]]),
        # Comments and texts
        ("%{\nx = 2\n%}\nx = 1 % x = 3", [[1]]),
        ("s = 'it''s % no comment'; x = numel(s)", [[17]]),
        ("function mpc = of(args)\nx = 1;\nend\n", [[1]]),
    ],
)
def test_values(text: str, rows: list[list[float]]) -> None:
    assert value(text) == rows


def test_texts_in_braces() -> None:
    names = run("x = {\n 'A  1';\n 'B''s';\n};")[0]["x"]
    assert isinstance(names, Cell)
    assert names.items.tolist() == [["A  1"], ["B's"]]


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("x = 1;\ny = eval('x')", 2, "calls eval"),
        ("x = fopen('/etc/passwd')", 1, "calls fopen"),
        ("mpc = loadcase('case9');", 1, "calls loadcase"),
        ("system('ls')", 1, "calls system"),
        ("!ls", 1, "uses ls"),
        ("clear all", 1, "goes on with 'all'"),
        ("x = @sin;", 1, "'@', which is not read"),
        ("\n\nwhile 1\n x = 1;\nend", 3, "uses while"),
        ("x = 1;\nx = [1 2\n3];", 3, "a row of 1 numbers, the first has 2"),
        ("x = [1 2];\n\nx(3, 3, 3) = 1", 3, "more than row and column"),
        ("x = [1 2]; y = x(3)", 1, "names place 3 of 2"),
        ("x = [1 2]; x(0) = 1", 1, "names place 0"),
        ("x = [1 2]; x(1.5) = 1", 1, "not whole"),
        ("x = [1 2] + [1 2 3]", 1, "joins tables of 1 x 2 and 1 x 3"),
        ("x = [1 2] / [3 4]", 1, "by element"),
        ("x = y + 1", 1, "uses y, which is not known"),
        ("x.y = 1; z = x.w", 1, "field w"),
        ("x = [1,, 2]", 1, "comma with nothing before it"),
        ("x = [1 2", 1, "never closed"),
        ("x = (1 + 2", 1, "never closed"),
        ("x = 'abc", 1, "not closed"),
        ("x = 5!", 1, "goes on with '!'"),
        ("function a = b\nx = 1;\nfunction c = d\n", 3, "second function"),
        ("if 1\n x = 2;\n", 3, "no end"),
        ("x = ones(1e5, 1e5);", 1, "more than 20000000 numbers"),
        ("x = ones(1e4, 1) * ones(1, 1e4);", 1, "too large"),
        ("x = zeros(1, 10); x(9e9) = 1;", 1, "cannot be"),
        ("for k = 1:1e6, for j = 1:1e6, x = 1; end, end", 1, "more work"),
        ("x = " + "(" * 5000, 1, "more than 40"),
        ("x = " + "1 + " * 20_000 + "1", 1, "nested too deeply"),
        ("x = " + "-" * 20_000 + "1", 1, "nested too deeply"),
        ("if 1\n" * 500, 40, "more than 40"),
    ],
)
def test_what_is_not_read_is_refused_with_its_line(text: str, line: int, why: str) -> None:
    with pytest.raises(MatlabError) as refused:
        run(text)
    assert why in refused.value.why
    assert refused.value.line == line
