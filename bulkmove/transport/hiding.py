"""Credentials taken out of what a host says: some repeat the key in an error, or the whole address in a page of HTML."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from bulkmove.protocols import Signature

HIDDEN = "***"
# Shorter ones would be found in half of all words.
SHORTEST = 4
_RUN = re.compile(rf"[A-Za-z0-9]{{{SHORTEST},}}")


def hiding(sign: Signature) -> Callable[[bytes], bytes]:
    """What replaces each credential, however it is spelt: as it is, in base64, escaped as in a link, in JSON or in HTML, once or again."""
    return _hiding(_secrets_of(sign))


def hiding_of(credentials: Iterable[str]) -> Callable[[str], str]:
    """What replaces each of these credentials in a text, however it is spelt."""
    hide = _hiding(_in_forms(set(credentials)))
    return lambda text: hide(text.encode("utf-8", "replace")).decode("utf-8", "replace")


def _hiding(secrets: Sequence[str]) -> Callable[[bytes], bytes]:
    if not secrets:
        return bytes
    pattern = re.compile("|".join(map(in_any_spelling, secrets)).encode())
    # Letters and digits stand as they are in all of them: where no such part of a secret is, none is.
    parts = [max(_RUN.findall(secret), key=len, default="").encode() for secret in secrets]

    def hide(text: bytes) -> bytes:
        return pattern.sub(HIDDEN.encode(), text) if any(part in text for part in parts) else text

    return hide


def without_secrets(sign: Signature, text: str) -> str:
    """A text with `***` in place of each credential."""
    return hiding(sign)(text.encode("utf-8", "replace")).decode("utf-8", "replace")


def _secrets_of(sign: Signature) -> list[str]:
    found: set[str] = set()
    for value in (*sign.headers.values(), *sign.params.values()):
        scheme, _, rest = value.partition(" ")
        found |= {value, rest}
        if scheme == "Basic":
            with suppress(ValueError):
                found.update(b64decode(rest).decode().split(":", 1))
    return _in_forms(found)


def _in_forms(secrets: set[str]) -> list[str]:
    """In base64 too, the longest first, so that none is cut in two by a shorter one."""
    forms = secrets | {
        b64encode(secret.encode("utf-8", "surrogateescape")).decode().rstrip("=") for secret in secrets
    }
    return sorted((each for each in forms if len(each) >= SHORTEST), key=len, reverse=True)


def in_any_spelling(secret: str) -> str:
    """A pattern for a text whose signs may each stand as they are, or escaped: an error may quote a link within JSON within HTML."""
    return "".join(sign if sign.isascii() and sign.isalnum() else _spellings(sign) for sign in secret)


def _spellings(sign: str) -> str:
    in_link = "".join(f"%(?:25)*{byte:02x}" for byte in sign.encode("utf-8", "replace"))
    in_json = "".join(rf"\\+u{unit:04x}" for unit in _utf16(sign))
    entities = {f"#0*{ord(sign)}", f"#x0*{ord(sign):x}", *_ENTITIES.get(sign, ())}
    in_html = rf"&(?:amp;)*(?:{'|'.join(sorted(entities))});"
    forms = [in_html, rf"\\*{re.escape(sign)}", in_link, in_json, *([r"\+"] if sign == " " else [])]
    return f"(?i:{'|'.join(forms)})"


_ENTITIES = {'"': ("quot",), "'": ("apos",), "<": ("lt",), ">": ("gt",), "&": ("amp",)}


def _utf16(sign: str) -> list[int]:
    units = sign.encode("utf-16-be", "replace")
    return [int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2)]
