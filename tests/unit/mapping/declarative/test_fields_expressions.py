"""JMESPath as closures: what jmespath's own interpreter gives, without it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import jmespath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkmove.config.expressions import parse_expression, parse_template
from bulkmove.errors import RejectRecordError
from bulkmove.mapping.declarative.closures import closure
from bulkmove.mapping.declarative.judging import holds

NAMES = ("a", "b", "c")
CORPUS = (
    "a", "a.b", "a.b.c", "@", "@.a", "a[0]", "a[-1].b", "a[5]", "a[1:]", "a[::-1]", "a[:2].b", "a[*]", "a[*].b",
    "a[*].b.c", "a[].b", "a[][]", "a.*", "*.a", "a.*.b", "a[?b]", "a[?b == 'x'].c", "a[?b > `1`]", "a[?!b].c",
    "a[?b && c]", "a || b", "a && b", "!a", "!(a || b)", "a == b", "a != b", "a == `1`", "a == `true`", "a == 'x'",
    "a == `null`", "a < b", "a >= `0`", "a <= 'm'", "a | b", "a[*] | [0]", "a[*].b | [0].c", "[a, b]", "a.[b, c]",
    "{x: a, y: b.c}", "a[*].{x: b, y: c}", "'text'", '`[1, {"a": 2}]`', "length(a)", "length(a || '')", "type(a)",
    "to_string(a)", "to_number(a)", "not_null(a, b, c)", "keys(@)", "values(a)", "join('-', a)", "contains(a, 'x')",
    "starts_with(a, 'x')", "sort(a)", "max(a)", "sum(a[*].b)", "avg(a)", "merge(a, b)", "reverse(a)", "abs(a)",
    "sort_by(a, &b)", "max_by(a, &b).c", "map(&b, a)", "a[?contains(b, 'x')] | [0]", "(a || b).c", "a.b || c.b || 'none'",
)  # fmt: skip
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.sampled_from((0.0, 1.0, 0.5, -1.5))
    | st.sampled_from(("", "x", "xy", "0", "1.5"))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=12,
)
RECORDS = st.dictionaries(st.sampled_from(NAMES), VALUES)
FAILED = "failed"


def interpreted(text: str, value: Any) -> Any:
    try:
        return jmespath.search(text, value)
    except Exception:  # noqa: BLE001  whatever the interpreter raises
        return FAILED


def closed(text: str, value: Any, record: Any = None) -> Any:
    try:
        return closure(parse_expression(text))(value, value if record is None else record)
    except RejectRecordError as error:
        return FAILED if error.cause == "bad-expression" else error.cause


def same(one: Any, other: Any) -> bool:
    """Equal with the same types: True is not 1 here, and 1 not 1.0."""
    return repr(one) == repr(other)


@settings(max_examples=150, deadline=None)
@given(RECORDS)
def test_closures_give_what_the_interpreter_gives(record: dict[str, Any]) -> None:
    for text in CORPUS:
        assert same(closed(text, record), interpreted(text, record)), text


def paths(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(inner, inner)
    return st.one_of(
        st.tuples(inner, st.sampled_from(NAMES)).map("{0[0]}.{0[1]}".format),
        inner.map("({})[0]".format),
        inner.map("({})[*].b".format),
        inner.map("({})[]".format),
        inner.map("!({})".format),
        pair.map("({0[0]} || {0[1]})".format),
        pair.map("({0[0]} && {0[1]})".format),
        pair.map("({0[0]} == {0[1]})".format),
        pair.map("({0[0]})[?{0[1]}]".format),
        pair.map("({0[0]} | {0[1]})".format),
        pair.map("[{0[0]}, {0[1]}]".format),
    )


@settings(max_examples=200, deadline=None)
@given(st.recursive(st.sampled_from((*NAMES, "@", "`1`", "'x'")), paths, max_leaves=5), RECORDS)
def test_expressions_of_any_shape_agree_too(text: str, record: dict[str, Any]) -> None:
    assert same(closed(text, record), interpreted(text, record)), text


@given(VALUES)
def test_a_condition_holds_as_jmespath_has_it(value: Any) -> None:
    assert holds(value) is bool(jmespath.search("[?a]", [{"a": value}]))


@pytest.mark.parametrize(
    "text", ["a == `1`", "`0` == b", "a != `1`", "[a] == `[1]`", "a == `true`", "a == b"]
)
def test_true_is_not_one_and_false_not_zero(text: str) -> None:
    for record in ({"a": True, "b": False}, {"a": 1, "b": 0}, {"a": 1.0, "b": True}):
        assert same(closed(text, record), interpreted(text, record)), record


def test_exact_numbers_are_compared_as_numbers() -> None:
    assert closed("a > b", {"a": Decimal("0.30000000000000000001"), "b": 0.3})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("root.a", 1),
        ("root", {"a": 1, "root": 9}),
        ("b", 2),
        ("root.a == b", False),
        ("[root.a, b]", [1, 2]),
        ("to_string(root.a)", "1"),
        ("c[?d == root.a].d", [1]),
        ("c[*].root", [5]),
        ("@.root", 7),
        ("c | root.a", 1),
    ],
)
def test_root_is_the_record_where_an_expression_begins_with_it(text: str, expected: Any) -> None:
    element = {"b": 2, "c": [{"d": 1}, {"d": 2, "root": 5}], "root": 7}
    assert closed(text, element, {"a": 1, "root": 9}) == expected


@pytest.mark.parametrize(
    ("text", "starts", "records"),
    [
        ("a.b.c", {"a"}, set()),
        ("root.a.b", set(), {"a"}),
        ("a[?root.b == c].d", {"a"}, {"b"}),
        ("a[*].root.b", {"a"}, set()),
        ("a || b && !c", {"a", "b", "c"}, set()),
        ("a | b", {"a"}, set()),
        ("{x: a.q, y: root.z}", {"a"}, {"z"}),
        ("to_string(a)", {"a"}, set()),
        ("sort_by(a, &b)", {"a"}, set()),
        ("a[0:2].b", {"a"}, set()),
        ("a[].b", {"a"}, set()),
        ("@.a", {"a"}, set()),
        ("@", {"@"}, set()),
        ("keys(@)", {"@"}, set()),
        ("*.a", {"@"}, set()),
        ("root", set(), {"@"}),
        ("'x'", set(), set()),
    ],
)
def test_an_expression_knows_the_names_that_it_reads(text: str, starts: set[str], records: set[str]) -> None:
    expression = parse_expression(text)
    assert (set(expression.starts), set(expression.records)) == (starts, records)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(CORPUS), RECORDS)
def test_names_that_are_not_read_make_no_difference(text: str, record: dict[str, Any]) -> None:
    names = parse_expression(text).starts
    kept = record if "@" in names else {name: value for name, value in record.items() if name in names}
    assert same(closed(text, kept), closed(text, record))


def test_a_function_that_is_given_what_it_does_not_take_rejects_without_showing_the_value() -> None:
    with pytest.raises(
        RejectRecordError, match=r"^length\(\) takes string or array or object, not number$"
    ) as raised:
        closure(parse_expression("length(a)"))({"a": 4711}, {})
    assert "4711" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a..b", "unexpected . at column 3"),
        ("a[", "it ends too early"),
        ("a.'x", "unclosed ' delimiter at column 3"),
        ("", "must not be empty"),
        ("lenght(a)", "there is no lenght(); did you mean length()?"),
        ("lower(a)", 'there is no lower(); write as = "text", case = "lower" beside the path'),
        ("a = 'x'", "write == to compare, at column 3"),
        ("a != 'x' && b='y'", "write == to compare, at column 14"),
        ("length(a, b)", "must give length() 1 arguments, not 2"),
        ("not_null()", "must give not_null() at least 1 arguments, not 0"),
        ("a[?lenght(b)]", "there is no lenght()"),
        ("sort_by(root.a, &b)", "must not use root beside an expression reference (&)"),
    ],
)
def test_what_is_no_expression_is_told_with_its_column(text: str, told: str) -> None:
    with pytest.raises(ValueError, match="must") as raised:
        parse_expression(text)
    assert told in str(raised.value)


def test_a_template_is_texts_and_expressions() -> None:
    pieces = parse_template("{{a}}-{x.y}{ {q: a}.q }{join('}', b)}!")
    assert [piece if isinstance(piece, str) else {piece.text} for piece in pieces] == [
        "{a}-", {"x.y"}, {" {q: a}.q "}, {"join('}', b)"}, "!"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "told"),
    [("a{b", "} for the { at column 2"), ("b}", "{ for the } at column 2"), ("{}", "must not be empty")],
)
def test_a_brace_without_its_other_is_told(text: str, told: str) -> None:
    with pytest.raises(ValueError, match="must") as raised:
        parse_template(text)
    assert told in str(raised.value)
