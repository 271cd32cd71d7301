"""JMESPath expressions as closures: what jmespath's interpreter does, without walking the tree for every record."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import jmespath

from bulkmove.config.expressions import Expression, Node, is_root
from bulkmove.mapping.declarative.functions import ExactFunctions
from bulkmove.mapping.declarative.judging import FAILURES, equal, holds, is_ordered, refusal

# Takes the value that the expression starts at, and the record.
Evaluate = Callable[[Any, Any], Any]

_FUNCTIONS = ExactFunctions()
_OPTIONS = jmespath.Options(custom_functions=_FUNCTIONS)
_ORDERINGS = MappingProxyType({"lt": operator.lt, "gt": operator.gt, "lte": operator.le, "gte": operator.ge})


def closure(expression: Expression) -> Evaluate:
    """It raises RejectRecordError, cause "bad-expression", where a function is given what it does not take.

    What holds a part that there is no closure for is put to jmespath's interpreter as a whole.
    """
    if not _has_closures(expression.tree):
        return _by_interpreter(expression.text)
    return _node(expression.tree, begins=True)


def field(name: str) -> Evaluate:
    def evaluate(value: Any, record: Any) -> Any:
        if type(value) is dict:
            return value.get(name)
        try:
            return value.get(name)
        except AttributeError:
            return None

    return evaluate


def _by_interpreter(text: str) -> Evaluate:
    search = jmespath.compile(text).search

    def evaluate(value: Any, record: Any) -> Any:
        try:
            return search(value, options=_OPTIONS)
        except FAILURES as error:
            raise refusal(error) from None

    return evaluate


def _has_closures(node: Node) -> bool:
    if node["type"] not in _BUILDERS:
        return False
    children = node["children"] if node["type"] != "slice" else ()
    return all(_has_closures(child) for child in children)


def _node(node: Node, *, begins: bool) -> Evaluate:
    return _BUILDERS[node["type"]](node, begins)


def _itself(value: Any, record: Any) -> Any:
    return value


def _the_record(value: Any, record: Any) -> Any:
    return record


def _current(node: Node, begins: bool) -> Evaluate:
    return _itself


def _field(node: Node, begins: bool) -> Evaluate:
    return _the_record if is_root(node, begins=begins) else field(node["value"])


def _literal(node: Node, begins: bool) -> Evaluate:
    literal = node["value"]
    return lambda value, record: literal


def _index(node: Node, begins: bool) -> Evaluate:
    index = node["value"]

    def evaluate(value: Any, record: Any) -> Any:
        if not isinstance(value, list):
            return None
        try:
            return value[index]
        except IndexError:
            return None

    return evaluate


def _slice(node: Node, begins: bool) -> Evaluate:
    part = slice(*node["children"])
    return lambda value, record: value[part] if isinstance(value, list) else None


def _chain(node: Node, begins: bool) -> Evaluate:
    """Each part is put to what the one before it gave. After a pipe an expression begins anew."""
    is_pipe = node["type"] == "pipe"
    first, *rest = node["children"]
    steps = [_node(first, begins=begins), *(_node(child, begins=is_pipe) for child in rest)]
    if len(steps) > 2:
        return _long_chain(tuple(steps))
    if len(steps) == 1:
        return steps[0]
    outer, inner = steps
    if outer is _the_record:
        return lambda value, record: inner(record, record)
    return lambda value, record: inner(outer(value, record), record)


def _long_chain(steps: tuple[Evaluate, ...]) -> Evaluate:
    def evaluate(value: Any, record: Any) -> Any:
        for step in steps:
            value = step(value, record)
        return value

    return evaluate


def _comparator(node: Node, begins: bool) -> Evaluate:
    left, right = (_node(child, begins=True) for child in node["children"])
    kind = node["value"]
    if kind == "eq":
        return lambda value, record: equal(left(value, record), right(value, record))
    if kind == "ne":
        return lambda value, record: not equal(left(value, record), right(value, record))
    compare = _ORDERINGS[kind]

    def evaluate(value: Any, record: Any) -> Any:
        one, other = left(value, record), right(value, record)
        if not (is_ordered(one) and is_ordered(other)):
            return None
        try:
            return compare(one, other)
        except TypeError as error:
            raise refusal(error) from None

    return evaluate


def _and(node: Node, begins: bool) -> Evaluate:
    left, right = (_node(child, begins=True) for child in node["children"])

    def evaluate(value: Any, record: Any) -> Any:
        found = left(value, record)
        return right(value, record) if holds(found) else found

    return evaluate


def _or(node: Node, begins: bool) -> Evaluate:
    left, right = (_node(child, begins=True) for child in node["children"])

    def evaluate(value: Any, record: Any) -> Any:
        found = left(value, record)
        return found if holds(found) else right(value, record)

    return evaluate


def _not(node: Node, begins: bool) -> Evaluate:
    inner = _node(node["children"][0], begins=True)
    return lambda value, record: not holds(inner(value, record))


def _several(node: Node, begins: bool) -> Evaluate:
    parts = [_node(child, begins=True) for child in node["children"]]
    return lambda value, record: None if value is None else [part(value, record) for part in parts]


def _several_named(node: Node, begins: bool) -> Evaluate:
    parts = [(child["value"], _node(child, begins=True)) for child in node["children"]]
    return lambda value, record: (
        None if value is None else {name: part(value, record) for name, part in parts}
    )


def _named(node: Node, begins: bool) -> Evaluate:
    return _node(node["children"][0], begins=True)


def _function(node: Node, begins: bool) -> Evaluate:
    name = node["value"]
    arguments = [_node(child, begins=True) for child in node["children"]]
    call = _FUNCTIONS.call_function

    def evaluate(value: Any, record: Any) -> Any:
        given = [argument(value, record) for argument in arguments]
        try:
            return call(name, given)
        except FAILURES as error:
            raise refusal(error) from None

    return evaluate


def _flatten(node: Node, begins: bool) -> Evaluate:
    inner = _node(node["children"][0], begins=begins)

    def evaluate(value: Any, record: Any) -> Any:
        found = inner(value, record)
        if not isinstance(found, list):
            return None
        flat: list[Any] = []
        for element in found:
            if isinstance(element, list):
                flat.extend(element)
            else:
                flat.append(element)
        return flat

    return evaluate


def _projection(node: Node, begins: bool) -> Evaluate:
    base, inner = node["children"]
    elements, take = _node(base, begins=begins), _node(inner, begins=False)

    def evaluate(value: Any, record: Any) -> Any:
        found = elements(value, record)
        if not isinstance(found, list):
            return None
        taken = (take(element, record) for element in found)
        return [each for each in taken if each is not None]

    return evaluate


def _value_projection(node: Node, begins: bool) -> Evaluate:
    base, inner = node["children"]
    whole, take = _node(base, begins=begins), _node(inner, begins=False)

    def evaluate(value: Any, record: Any) -> Any:
        found = whole(value, record)
        if not isinstance(found, Mapping):
            return None
        taken = (take(element, record) for element in found.values())
        return [each for each in taken if each is not None]

    return evaluate


def _filter_projection(node: Node, begins: bool) -> Evaluate:
    base, inner, condition = node["children"]
    elements, take = _node(base, begins=begins), _node(inner, begins=False)
    keeps = _node(condition, begins=True)

    def evaluate(value: Any, record: Any) -> Any:
        found = elements(value, record)
        if not isinstance(found, list):
            return None
        taken = (take(element, record) for element in found if holds(keeps(element, record)))
        return [each for each in taken if each is not None]

    return evaluate


_BUILDERS: Mapping[str, Callable[[Node, bool], Evaluate]] = MappingProxyType(
    {
        "and_expression": _and,
        "comparator": _comparator,
        "current": _current,
        "field": _field,
        "filter_projection": _filter_projection,
        "flatten": _flatten,
        "function_expression": _function,
        "identity": _current,
        "index": _index,
        "index_expression": _chain,
        "key_val_pair": _named,
        "literal": _literal,
        "multi_select_dict": _several_named,
        "multi_select_list": _several,
        "not_expression": _not,
        "or_expression": _or,
        "pipe": _chain,
        "projection": _projection,
        "slice": _slice,
        "subexpression": _chain,
        "value_projection": _value_projection,
    }
)
