"""Django REST framework's manners: error bodies in two languages, paging, and slashes.

As seen on real servers: up to 3.17 a 400 on an array is a list as long as the input with `{}` for good items,
from 3.18 an object of the bad ones keyed by index; texts follow Accept-Language; a missing slash gives a redirect.
"""

from __future__ import annotations

from typing import Literal

import orjson

from bulkmove.sandbox.calls import Answer, Call, Json, json_answer

_ROMANIAN = {
    "This field is required.": "Acest câmp este obligatoriu.",
    "This field may not be null.": "Acest câmp nu poate fi nul.",
    "A valid integer is required.": "Este necesar un număr întreg valid.",
    "A valid number is required.": "Este necesar un număr valid.",
    "Not a valid string.": "Nu este un șir valid.",
    "Ensure this field has no more than 255 characters.": "Asigurați-vă că acest câmp nu are mai mult de 255 de caractere.",
    "This list may not be empty.": "Această listă nu poate fi goală.",
    "Enter a number.": "Introduceți un număr.",
    "Not found.": "Nu a fost găsit(ă).",
    "Invalid page.": "Pagină invalidă.",
    "Invalid token.": "Token nevalid.",
    "Authentication credentials were not provided.": "Nu au fost furnizate credențiale de autentificare.",
}


def in_language(call: Call, text: str) -> str:
    """The text in Romanian where the call asks for it first, else as it is."""
    return (
        _ROMANIAN.get(text, text)
        if call.headers.get("Accept-Language", "").lower().startswith("ro")
        else text
    )


def detail(status: int, call: Call, text: str) -> Answer:
    return json_answer(status, {"detail": in_language(call, text)})


def not_allowed(call: Call) -> Answer:
    return detail(405, call, f'Method "{call.method}" not allowed.')


def item_errors(errors: dict[int, Json], *, count: int, shape: Literal["list", "indexed"]) -> Answer:
    """The 400 on an array of `count` items."""
    if shape == "indexed":
        return json_answer(400, {str(index): error for index, error in errors.items()})
    return json_answer(400, [errors.get(index, {}) for index in range(count)])


def page_number(call: Call) -> int | None:
    """The page that is asked for; None where it is no number above zero."""
    text = call.query.get("page") or "1"
    return int(text) if text.isascii() and text.isdigit() and int(text) > 0 else None


def page_link(call: Call, changes: dict[str, int]) -> str:
    """The call's own absolute address with some parameters changed: what was in its query stays, keys included."""
    _, _, query = call.target.partition("?")
    kept = [part for part in query.split("&") if part and part.split("=")[0] not in changes]
    return f"{call.origin}{call.path}?{'&'.join([*kept, *(f'{name}={value}' for name, value in changes.items())])}"


def envelope(
    call: Call,
    results: bytes,
    *,
    total: int,
    next_changes: dict[str, int] | None,
    previous_changes: dict[str, int] | None,
) -> Answer:
    """`{count,next,previous,results}` around rows that are encoded already."""
    links = {
        "count": total,
        "next": page_link(call, next_changes) if next_changes else None,
        "previous": page_link(call, previous_changes) if previous_changes else None,
    }
    return Answer(200, b"".join((orjson.dumps(links)[:-1], b',"results":', results, b"}")))
