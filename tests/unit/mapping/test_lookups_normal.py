"""One form for all spellings of a text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmove.mapping.lookups.normal import normalise


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Sânmartin", "sanmartin"), ("SÎNMARTIN", "sinmartin"), ("Timișoara", "timisoara"), ("Timişoara", "timisoara"),
        ("Constanța", "constanta"), ("Constanţa", "constanta"), ("Brăila", "braila"), ("Bra\u0306ila", "braila"),
        ("  Târgu-Mureş ", "targu mures"), ("TARGU  MURES", "targu mures"), ("Târgu – Mureș", "targu mures"),
        ("Satu\u00a0Mare", "satu mare"), ("Satu\tMare\n", "satu mare"), ("Sa\u00adtu Mare\u200b", "satu mare"),
        ("Cluj-Napoca", "cluj napoca"), ("İzmir", "izmir"), ("Straße", "strasse"), ("ﬁn", "fin"), ("Łódź", "łodz"),
        ("12", "12"), ("A.B/C_1", "a.b/c_1"), ("", ""), (" - ", "-"),
        ("Cluj- Napoca", "cluj napoca"), ("Cluj -- Napoca", "cluj napoca"), ("Str. Mare", "str. mare"),
    ],
)  # fmt: skip
def test_case_marks_blanks_and_hyphens_do_not_count(text: str, form: str) -> None:
    assert normalise(text) == form


@pytest.mark.parametrize(
    "texts",
    [
        ("1", "-1", "1-", "–1", "−1", "¹", "①", "1\u0301", "1\u200b"), ("-", "--", "–", "\u200b", "\u0301", ""),
        ("T 5", "T -5"), ("1E5", "1e5"), ("1.0", "1"), ("+7", "7"),
    ],
)  # fmt: skip
def test_a_hyphen_is_no_blank_where_it_may_be_a_sign_and_numbers_have_one_spelling(
    texts: tuple[str, ...],
) -> None:
    assert len({normalise(text) for text in texts}) == len(texts)


def test_blanks_around_a_number_do_not_count() -> None:
    assert normalise(" 12 ") == "12"


def test_a_long_text_with_many_marks_takes_no_time() -> None:
    text = "a" + "\u0301\u0316" * 50_000
    started = time.perf_counter()
    assert normalise(text) == text
    assert time.perf_counter() - started < 1


@given(st.text())
def test_a_normal_form_is_its_own_normal_form(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(st.text(alphabet="abcĂăÂâÎîȘșŞşȚțŢţÉéŐőß -"))
def test_case_alone_never_tells_two_texts_apart(text: str) -> None:
    assert normalise(text.upper()) == normalise(text.lower()) == normalise(text)
