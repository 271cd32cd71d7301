"""Credentials taken out of what a host says: some repeat the key in an error, or the whole address in a page of HTML."""

from __future__ import annotations

import html
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress

from bulkmove.protocols import Signature

HIDDEN = "***"
# Shorter ones would be found in half of all words.
_SHORTEST = 4
_RUN = re.compile(rf"[A-Za-z0-9]{{{_SHORTEST},}}")


def hiding(sign: Signature) -> Callable[[bytes], bytes]:
    """What replaces each credential, however it is spelt: as it is, escaped as in a link, in JSON or in HTML, or in base64."""
    secrets = _secrets_of(sign)
    if not secrets:
        return bytes
    pattern = re.compile(b"|".join(map(_in_any_spelling, secrets)))
    # Letters and digits stand as they are in all of them: where no such part of a secret is, none is.
    parts = [max(_RUN.findall(secret), key=len, default="").encode() for secret in secrets]

    def hide(text: bytes) -> bytes:
        return pattern.sub(HIDDEN.encode(), text) if any(part in text for part in parts) else text

    return hide


def without_secrets(sign: Signature, text: str) -> str:
    """A text with `***` in place of each credential."""
    return hiding(sign)(text.encode("utf-8", "replace")).decode("utf-8", "replace")


def _secrets_of(sign: Signature) -> list[str]:
    """Longest first, so that none is cut in two by a shorter one."""
    found: set[str] = set()
    for value in (*sign.headers.values(), *sign.params.values()):
        scheme, _, rest = value.partition(" ")
        found |= {value, rest}
        if scheme == "Basic":
            with suppress(ValueError):
                found.update(b64decode(rest).decode().split(":", 1))
    found |= {b64encode(secret.encode()).decode().rstrip("=") for secret in found}
    return sorted((each for each in found if len(each) >= _SHORTEST), key=len, reverse=True)


def _in_any_spelling(secret: str) -> bytes:
    return b"".join(
        sign.encode() if sign.isascii() and sign.isalnum() else _spellings(sign) for sign in secret
    )


def _spellings(sign: str) -> bytes:
    in_json = json.dumps(sign)[1:-1]
    by_number = "".join(rf"\u{unit:04x}" for unit in _utf16(sign))
    forms = {
        re.escape(sign),
        "(?i:" + "".join(f"%{byte:02x}" for byte in sign.encode()) + ")",
        "(?i:" + re.escape(by_number) + ")",
        re.escape(in_json),
        re.escape(html.escape(sign)),
        f"&#{ord(sign)};",
        *([r"\+"] if sign == " " else []),
        *([r"\\/"] if sign == "/" else []),
    }
    return b"(?:" + "|".join(sorted(forms)).encode() + b")"


def _utf16(sign: str) -> list[int]:
    units = sign.encode("utf-16-be")
    return [int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2)]
