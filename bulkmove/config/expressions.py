"""JMESPath expressions and templates in a configuration: parsed, checked, and asked what they read.

An expression starts at a value: the record, or the element of a list that `each` walks through. `root`, where an
expression or a part of one begins with it, is the record wherever the expression starts.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jmespath
from jmespath.exceptions import EmptyExpressionError, IncompleteExpressionError, LexerError, ParseError
from jmespath.functions import Functions

ROOT = "root"
# In place of a name: the whole value is read.
WHOLE = "@"

Node = Mapping[str, Any]
_Scope = Literal["start", "record"]
_PATHS = frozenset({"subexpression", "index_expression", "pipe"})
_CURRENT = frozenset({"current", "identity"})
_ON_ONE_VALUE = frozenset({
    "comparator", "and_expression", "or_expression", "not_expression", "multi_select_list", "multi_select_dict",
    "key_val_pair", "function_expression",
})  # fmt: skip
# What people look for among the functions, and is a step of a field.
_BY_STEPS = {
    **dict.fromkeys(
        ("lower", "lowercase", "tolower", "to_lower"), '; write as = "text", case = "lower" beside the path'
    ),
    **dict.fromkeys(
        ("upper", "uppercase", "toupper", "to_upper"), '; write as = "text", case = "upper" beside the path'
    ),
    **dict.fromkeys(("trim", "strip"), '; write as = "text", trim = true beside the path'),
    **dict.fromkeys(
        ("round", "int", "to_int"), '; write as = "integer" (or "number") with `rounding` beside the path'
    ),
    **dict.fromkeys(
        ("concat", "format"), '; write template = "{a} {b}" in place of a path, or join(' + "' ', [a, b])"
    ),
}
_SINGLE_EQUALS = re.compile(r"(?<![=!<>])=(?!=)")
_QUOTES = "'\"`"


@dataclass(frozen=True, slots=True)
class Expression:
    """`starts`: the names that it reads of the value that it starts at, `records`: of the record, through `root`.

    `is_for_interpreter`: it holds an expression reference (`&name`), which JMESPath's own interpreter carries out.
    """

    text: str
    tree: Node
    starts: frozenset[str]
    records: frozenset[str]
    is_for_interpreter: bool


def parse_expression(text: str) -> Expression:
    """Raises ValueError, "must be …" without the text, for what is no JMESPath or can't be carried out."""
    try:
        tree: Node = jmespath.compile(text).parsed
    except EmptyExpressionError:
        raise ValueError("must not be empty; a path is a JMESPath expression, as customer.name") from None
    except LexerError as error:
        if _SINGLE_EQUALS.match(text, error.lexer_position):
            raise ValueError(
                f"must be a JMESPath expression: write == to compare, at column {error.lexer_position + 1}"
            ) from None
        raise ValueError(
            f"must be a JMESPath expression: {error.message.lower()} at column {error.lexer_position + 1}"
        ) from None
    except IncompleteExpressionError:
        raise ValueError("must be a JMESPath expression: it ends too early") from None
    except ParseError as error:
        raise ValueError(
            f"must be a JMESPath expression: unexpected {error.token_value} at column {error.lex_position + 1}"
        ) from None
    is_for_interpreter = _check_functions(tree)
    reads = list(_reads(tree, begins=True, at_start=True))
    records = frozenset(name for scope, name in reads if scope == "record")
    if is_for_interpreter and records:
        raise ValueError(f"must not use {ROOT} beside an expression reference (&)")
    starts = frozenset(name for scope, name in reads if scope == "start")
    return Expression(text, tree, starts, records, is_for_interpreter)


def is_root(node: Node, *, begins: bool) -> bool:
    return begins and node["type"] == "field" and node["value"] == ROOT


def parse_template(text: str) -> list[str | Expression]:
    """The texts and expressions of a template, in turn. Raises ValueError as `parse_expression` does."""
    pieces: list[str | Expression] = []
    literal = ""
    at = 0
    while at < len(text):
        sign = text[at]
        if text[at : at + 2] in {"{{", "}}"}:
            literal += sign
            at += 2
        elif sign == "{":
            end = _end_of_piece(text, at + 1)
            if literal:
                pieces.append(literal)
                literal = ""
            pieces.append(parse_expression(text[at + 1 : end]))
            at = end + 1
        elif sign == "}":
            raise ValueError(f"must have a {{ for the }} at column {at + 1}; a brace itself is written }}}}")
        else:
            literal += sign
            at += 1
    return [*pieces, literal] if literal else pieces


def _end_of_piece(text: str, start: int) -> int:
    """Where the brace stands that closes a piece; braces and quotes of the expression itself are passed over."""
    depth = 0
    at = start
    while at < len(text):
        sign = text[at]
        if sign in _QUOTES:
            at += 1
            while at < len(text) and text[at] != sign:
                at += 2 if text[at] == "\\" else 1
        elif sign == "{":
            depth += 1
        elif sign == "}":
            if depth == 0:
                return at
            depth -= 1
        at += 1
    raise ValueError(f"must have a }} for the {{ at column {start}; a brace itself is written {{{{")


def _check_functions(node: Node) -> bool:
    """Whether an expression reference is in it. Raises ValueError for functions that there are not."""
    kind = node["type"]
    if kind == "function_expression":
        _check_function(node["value"], len(node["children"]))
    found: bool = kind == "expref"
    for child in node["children"] if kind != "slice" else ():
        found |= _check_functions(child)
    return found


def _check_function(name: str, given: int) -> None:
    if name not in Functions.FUNCTION_TABLE:
        close = difflib.get_close_matches(name, Functions.FUNCTION_TABLE, n=1)
        hint = _BY_STEPS.get(name.lower()) or (f"; did you mean {close[0]}()?" if close else "")
        raise ValueError(f"must use functions of JMESPath: there is no {name}(){hint}")
    signature = Functions.FUNCTION_TABLE[name]["signature"]
    is_open = bool(signature and signature[-1].get("variadic"))
    if given < len(signature) or (given > len(signature) and not is_open):
        at_least = "at least " if is_open else ""
        raise ValueError(f"must give {name}() {at_least}{len(signature)} arguments, not {given}")


def _reads(node: Node, *, begins: bool, at_start: bool) -> Iterator[tuple[_Scope, str]]:
    """The names that a node reads. `begins`: nothing of a path stands before it, so that `root` is the record.

    `at_start`: it is put to the value that the whole expression starts at.
    """
    kind, children = node["type"], node["children"]
    if is_root(node, begins=begins):
        yield "record", WHOLE
    elif kind == "field" or kind in _CURRENT:
        if at_start:
            yield "start", node.get("value", WHOLE)
    elif kind in _PATHS:
        yield from _reads_of_path(children, begins=begins, at_start=at_start, is_pipe=kind == "pipe")
    elif kind in _ON_ONE_VALUE:
        for child in children:
            yield from _reads(child, begins=True, at_start=at_start)
    elif kind == "expref":
        yield from _reads(children[0], begins=True, at_start=False)
    elif children and kind != "slice":
        # A projection: the list, what is taken of each element, and the condition on it.
        yield from _reads(children[0], begins=begins, at_start=at_start)
        for place, child in enumerate(children[1:], 1):
            yield from _reads(child, begins=place == 2, at_start=False)


def _reads_of_path(
    children: list[Node], *, begins: bool, at_start: bool, is_pipe: bool
) -> Iterator[tuple[_Scope, str]]:
    first, *rest = children
    name = rest[0]["value"] if rest and rest[0]["type"] == "field" and not is_pipe else None
    if name is not None and is_root(first, begins=begins):
        yield "record", name
    elif name is not None and first["type"] in _CURRENT:
        if at_start:
            yield "start", name
    else:
        yield from _reads(first, begins=begins, at_start=at_start)
    for child in rest:
        yield from _reads(child, begins=is_pipe, at_start=False)
