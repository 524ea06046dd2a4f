"""Tokens of MATLAB parsed into statements, as far as MATPOWER cases need it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tandem_sim.grids.errors import MatlabError
from tandem_sim.grids.matpower.tokens import CLOSING, MAX_DEPTH, Scanner, Token

KEYWORDS = frozenset(
    [
        "break",
        "case",
        "catch",
        "classdef",
        "continue",
        "else",
        "elseif",
        "end",
        "endfor",
        "endfunction",
        "endif",
        "for",
        "function",
        "global",
        "if",
        "otherwise",
        "parfor",
        "persistent",
        "return",
        "spmd",
        "switch",
        "try",
        "while",
    ]
)


@dataclass(frozen=True)
class Node:
    """An expression: its kind, its parts, and its line."""

    kind: str
    parts: tuple[Any, ...]
    line: int


@dataclass(frozen=True)
class Statement:
    """A statement: assign, call, if, for, or the head of the function."""

    kind: str
    parts: tuple[Any, ...]
    line: int


class _Parser:
    """Parses tokens into statements. Operator precedence is that of MATLAB."""

    BINARY = (
        ("||",),
        ("&&",),
        ("|",),
        ("&",),
        ("==", "~=", "!=", "<", "<=", ">", ">="),
    )

    def __init__(self, tokens: Iterator[Token]) -> None:
        self.tokens = iter(tokens)
        self.seen: list[Token] = []
        self.at = 0
        self.depth = 0
        self.indexing: list[bool] = [False]  # whether `end` and `:` are indices

    def peek(self, ahead: int = 0) -> Token:
        while len(self.seen) <= self.at + ahead:
            token = next(self.tokens, None)
            if token is None:
                line = self.seen[-1].line if self.seen else 1
                token = Token("end", "", line)
            self.seen.append(token)
        return self.seen[self.at + ahead]

    def take(self) -> Token:
        token = self.peek()
        self.at += 1
        return token

    def found(self, *signs: str) -> bool:
        token = self.peek()
        return token.kind == "op" and token.value in signs

    def expect(self, sign: str) -> None:
        token = self.take()
        if token.kind != "op" or token.value != sign:
            raise MatlabError(f"has {token.value!a} instead of {sign}", token.line)

    def over(self) -> bool:
        """Whether the text has ended."""
        token = self.peek()
        return token.kind == "end" and token.value == ""

    # Statements

    def whole(self) -> list[Statement]:
        """The statements of a text, and the word that ends its function if there is one."""
        found = self.block("end", "endfunction", "")
        if not self.over():
            line = self.take().line
            if found and found[0].kind != "function":
                raise MatlabError("closes a block that is not open", line)
            while self.peek().kind == "end" and not self.over():
                self.take()
            if not self.over():
                raise MatlabError("goes on behind the end of its function", self.peek().line)
        return found

    def block(self, *stops: str) -> list[Statement]:
        """Statements up to one of the words that close a block, or to the end of the text."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise MatlabError(f"has more than {MAX_DEPTH} blocks in blocks", self.peek().line)
        found: list[Statement] = []
        while not self.over():
            token = self.peek()
            if token.kind == "end":
                self.take()
                continue
            if token.kind == "name" and token.value in stops:
                break
            found.append(self.statement())
        else:
            if "" not in stops:
                raise MatlabError("opens a block that has no end", self.peek().line)
        self.depth -= 1
        return found

    def statement(self) -> Statement:
        token = self.peek()
        if token.kind == "name" and token.value in KEYWORDS:
            return self.keyword()
        if self.found("["):
            targets = self.targets()
            if targets is not None:
                self.expect("=")
                value = self.expression()
                self.finish()
                return Statement("assign many", (targets, value), token.line)
        left = self.expression()
        if not self.found("="):
            self.finish()
            return Statement("call", (left,), token.line)
        self.take()
        right = self.expression()
        self.finish()
        return Statement("assign", (left, right), token.line)

    def finish(self) -> None:
        token = self.take()
        if token.kind != "end":
            raise MatlabError(f"goes on with {token.value!a}, which is not read", token.line)

    def targets(self) -> list[str | None] | None:
        """The names of ``[A, B, ~] = ...``, or None if the bracket is something else."""
        ahead, names = 1, list[str | None]()
        while True:
            token = self.peek(ahead)
            if token.kind == "name":
                names.append(token.value)
            elif token.kind == "op" and token.value == "~":
                names.append(None)
            elif token.kind == "op" and token.value == "]":
                after = self.peek(ahead + 1)
                if after.kind != "op" or after.value != "=":
                    return None
                self.at += ahead + 1
                return names
            elif token.kind != "op" or token.value != ",":
                return None
            ahead += 1

    def keyword(self) -> Statement:
        token = self.take()
        word = str(token.value)
        if word == "function":
            return self.head(token.line)
        if word == "if":
            return self.choice(token.line)
        if word == "for":
            name = self.take()
            if name.kind != "name":
                raise MatlabError("is no loop over a name", token.line)
            self.expect("=")
            over = self.expression()
            self.finish()
            body = self.block("end", "endfor")
            self.take()
            return Statement("for", (name.value, over, body), token.line)
        raise MatlabError(f"uses {word}, which is not read", token.line)

    def choice(self, line: int) -> Statement:
        branches = []
        condition: Node | None = self.expression()
        while True:
            body = self.block("elseif", "else", "end", "endif")
            branches.append((condition, body))
            word = self.take().value
            if word == "elseif":
                condition = self.expression()
            elif word == "else":
                condition = None
            else:
                return Statement("if", (branches,), line)

    def head(self, line: int) -> Statement:
        """``function mpc = name`` or ``function [baseMVA, bus, ...] = name``, which opens the text."""
        if self.depth > 1 or any(t.kind != "end" for t in self.seen[: self.at - 1]):
            raise MatlabError("defines a second function, which is not read", line)
        names = self.targets() if self.found("[") else [str(self.take().value)]
        if names is None:
            raise MatlabError("is not the head of a case", line)
        self.expect("=")
        self.expression()  # the name of the case
        self.finish()
        return Statement("function", (names,), line)

    # Expressions

    def expression(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise MatlabError(f"is nested more than {MAX_DEPTH} times", self.peek().line)
        node = self.binary(0)
        self.depth -= 1
        return node

    def binary(self, level: int) -> Node:
        if level == len(self.BINARY):
            return self.range()
        left = self.binary(level + 1)
        while self.found(*self.BINARY[level]):
            sign = self.take()
            left = Node("binary", (sign.value, left, self.binary(level + 1)), sign.line)
        return left

    def range(self) -> Node:
        first = self.sum()
        if not self.found(":"):
            return first
        line = self.take().line
        second = self.sum()
        if not self.found(":"):
            return Node("range", (first, None, second), line)
        self.take()
        return Node("range", (first, second, self.sum()), line)

    def sum(self) -> Node:
        left = self.product()
        while self.found("+", "-"):
            sign = self.take()
            left = Node("binary", (sign.value, left, self.product()), sign.line)
        return left

    def product(self) -> Node:
        left = self.sign()
        while self.found("*", "/", "\\", ".*", "./", ".\\"):
            sign = self.take()
            left = Node("binary", (sign.value, left, self.sign()), sign.line)
        return left

    def sign(self) -> Node:
        signs = []
        while self.found("+", "-", "~", "!"):
            signs.append(self.take())
        node = self.power()
        for sign in reversed(signs):
            node = Node("unary", (sign.value, node), sign.line)
        return node

    def power(self) -> Node:
        left = self.postfix()
        while self.found("^", ".^"):
            sign = self.take()
            signs = []
            while self.found("+", "-", "~", "!"):
                signs.append(self.take())
            right = self.postfix()
            for one in reversed(signs):
                right = Node("unary", (one.value, right), one.line)
            left = Node("binary", (sign.value, left, right), sign.line)
        return left

    def postfix(self) -> Node:
        node = self.primary()
        while True:
            token = self.peek()
            if self.found("("):
                node = Node("index", (node, self.arguments(")")), token.line)
            elif self.found("{"):
                node = Node("cell index", (node, self.arguments("}")), token.line)
            elif self.found("."):
                self.take()
                name = self.take()
                if name.kind != "name":
                    raise MatlabError("names a field by an expression", name.line)
                node = Node("field", (node, name.value), token.line)
            elif self.found("'", ".'"):
                self.take()
                node = Node("transpose", (token.value, node), token.line)
            else:
                return node

    def arguments(self, close: str) -> list[Node]:
        self.take()
        self.indexing.append(True)
        found: list[Node] = []
        while not self.found(close):
            if found:
                self.expect(",")
            token = self.peek()
            after = self.peek(1)
            if self.found(":") and after.kind == "op" and after.value in (",", close):
                self.take()
                found.append(Node("all", (), token.line))
            else:
                found.append(self.expression())
        self.take()
        self.indexing.pop()
        return found

    def primary(self) -> Node:
        token = self.take()
        if token.kind == "num":
            return Node("num", (token.value,), token.line)
        if token.kind == "table":
            return Node("table", (token.value,), token.line)
        if token.kind == "text":
            return Node("text", (token.value,), token.line)
        if token.kind == "name":
            if token.value == "end" and self.indexing[-1]:
                return Node("last", (), token.line)
            if token.value in KEYWORDS:
                raise MatlabError(f"has the word {token.value} instead of a value", token.line)
            return Node("name", (token.value,), token.line)
        if token.kind == "op" and token.value == "(":
            self.indexing.append(False)
            node = self.expression()
            self.indexing.pop()
            self.expect(")")
            return node
        if token.kind == "op" and token.value in ("[", "{"):
            rows = self.rows(CLOSING[token.value])
            return Node("matrix" if token.value == "[" else "cell", (rows,), token.line)
        shown = "its end" if token.kind == "end" else repr(token.value)
        raise MatlabError(f"has {shown} instead of a value", token.line)

    def rows(self, close: str) -> list[list[Node]]:
        self.indexing.append(self.indexing[-1])
        rows: list[list[Node]] = [[]]
        while not self.found(close):
            if self.found(";", "\n"):
                self.take()
                rows.append([])
            elif self.found(","):
                comma = self.take()
                if not rows[-1] or self.found(","):
                    raise MatlabError("has a comma with nothing before it", comma.line)
            else:
                rows[-1].append(self.expression())
                if not self.found(",", ";", "\n", close):
                    token = self.peek()
                    raise MatlabError(f"has {token.value!a} inside a list", token.line)
        self.take()
        self.indexing.pop()
        return [row for row in rows if row]


def statements(text: str) -> list[Statement]:
    """The statements of a text. `MatlabError` names what is not supported, and its line."""
    parser = _Parser(iter(Scanner(text.replace("\r\n", "\n").replace("\r", "\n"))))
    try:
        return parser.whole()
    except RecursionError:
        raise MatlabError("is nested too deeply", parser.peek().line) from None
