"""One form for all spellings of a text."""

from __future__ import annotations

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
        ("12", "12"), ("A.B/C_1", "a.b/c_1"), ("", ""), (" - ", ""),
    ],
)  # fmt: skip
def test_case_marks_blanks_and_hyphens_do_not_count(text: str, form: str) -> None:
    assert normalise(text) == form


@given(st.text())
def test_a_normal_form_is_its_own_normal_form(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(st.text(alphabet="abcĂăÂâÎîȘșŞşȚțŢţÉéŐőß -"))
def test_case_alone_never_tells_two_texts_apart(text: str) -> None:
    assert normalise(text.upper()) == normalise(text.lower()) == normalise(text)
