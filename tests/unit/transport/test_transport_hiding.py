"""Credentials in the words of a host, however they are spelt."""

from __future__ import annotations

import html
import json
from base64 import b64encode
from urllib.parse import quote, quote_plus

import pytest

from bulkmove.protocols import Signature
from bulkmove.transport.hiding import hiding, without_secrets

TOKEN = 'tok&n/"7\\ü <x>+='
BASIC = b64encode(b"the-key:the:secret").decode()
SIGN = Signature({"API-Token": TOKEN, "Authorization": f"Basic {BASIC}"}, {"api_key": "k3y-91"})
SPELLINGS = {
    "as it is": TOKEN,
    "in a link": quote(TOKEN, safe=""),
    "in a link, small letters": quote(TOKEN, safe="").replace("%2F", "%2f"),
    "in a form": quote_plus(TOKEN),
    "in JSON": json.dumps(TOKEN)[1:-1],
    "in JSON, as it is": json.dumps(TOKEN, ensure_ascii=False)[1:-1],
    "in PHP's JSON": json.dumps(TOKEN)[1:-1].replace("/", r"\/"),
    "in JSON for HTML": json.dumps(TOKEN)[1:-1]
    .replace("<", r"\u003C")
    .replace(">", r"\u003E")
    .replace("&", r"\u0026"),
    "in HTML": html.escape(TOKEN),
    "in base64": b64encode(TOKEN.encode()).decode().rstrip("="),
    "HTTP Basic": BASIC,
    "the key": "the-key",
    "the secret": "the:secret",
    "of the query": "k3y-91",
}


@pytest.mark.parametrize("spelt", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_a_credential_is_hidden_however_it_is_spelt(spelt: str) -> None:
    text = f'{{"detail": "no such token: {spelt}!"}}'
    assert without_secrets(SIGN, text) == '{"detail": "no such token: ***!"}'


def test_what_holds_no_credential_stays_as_it_is() -> None:
    text = b'{"error": {"message": "Token \xff expired: tok&n/"}}'
    assert hiding(SIGN)(text) is text
    assert hiding(Signature())(text) == text


def test_a_credential_of_three_letters_would_be_found_in_every_word() -> None:
    assert hiding(Signature({}, {"api_key": "key"}))(b"the keyhole") == b"the keyhole"
