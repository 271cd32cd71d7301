"""JMESPath's functions on numbers that no double and no 64 bits hold."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from bulkmove.config.expressions import parse_expression
from bulkmove.errors import RejectRecordError
from bulkmove.mapping.declarative.closures import closure

LONG = Decimal("10.084033613445378151260504201680672")
BIG = Decimal(123456789012345678901234567890123)
WHOLE = Decimal(2**64)


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("to_number(@)", LONG, LONG),
        ("to_number(@)", str(LONG), LONG),
        ("to_number(@)", str(BIG), BIG),
        ("to_number(@)", "0.1", 0.1),
        ("to_number(@)", "007", 7),
        ("to_number(@)", "1e3", 1000.0),
        ("to_number(@)", "1_000", None),
        ("to_number(@)", "nan", None),
        ("to_string(@)", LONG, str(LONG)),
        ("to_string(@)", [LONG, 1.5, "ș"], f'[{LONG},1.5,"ș"]'),
        ("type(@)", LONG, "number"),
        ("abs(@)", BIG.copy_negate(), BIG),
        ("ceil(@)", LONG, 11),
        ("floor(@)", -LONG, -11),
        ("ceil(@)", Decimal("1E+999999999"), Decimal("1E+999999999")),
        ("max(@)", [1, LONG, 2.5], LONG),
        ("min(@)", [Decimal("0.10000000000000000001"), 0.1], 0.1),
        ("sort(@)", [LONG, 1, 2.5], [1, 2.5, LONG]),
        ("sort_by(@, &a)", [{"a": LONG}, {"a": 1}], [{"a": 1}, {"a": LONG}]),
        ("max_by(@, &a).a", [{"a": LONG}, {"a": 1}], LONG),
        ("map(&abs(@), @)", [LONG.copy_negate(), -1], [LONG, 1]),
        ("sum(@)", [0.1, 0.2], 0.3),
        ("sum(@)", [1.1, 2.2, 3.3], 6.6),
        ("sum(@)", [2**64 - 1, 1], WHOLE),
        ("sum(@)", [BIG, 0.5], Decimal(f"{BIG}.5")),
        ("sum(@)", [], 0),
        ("avg(@)", [0.1, 0.2], 0.15),
        ("avg(@)", [1, 2, 2], 5 / 3),
        ("avg(@)", [], None),
    ],
)
def test_exact_numbers_are_numbers(text: str, value: Any, expected: Any) -> None:
    found = closure(parse_expression(text))(value, value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("sum(@)", [Decimal("1E+300"), 1]),
        ("ceil(@)", Decimal("NaN")),
        ("abs(@)", "1"),
        ("sum(@)", [LONG, "1"]),
    ],
)
def test_what_has_no_exact_answer_rejects_its_record(text: str, value: Any) -> None:
    with pytest.raises(RejectRecordError) as raised:
        closure(parse_expression(text))(value, value)
    assert raised.value.cause == "bad-expression"
