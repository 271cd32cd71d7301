"""One form of a text for all its spellings: without regard to case, diacritics, and blanks or hyphens between words."""

from __future__ import annotations

import re
import unicodedata

# Blanks and the hyphens and dashes of Unicode stand for one another between words, and there alone: at an end, or
# after a blank before a digit, a hyphen may be a sign.
_DASHES = r"\-\u2010-\u2015\u2212"
_BETWEEN_WORDS = re.compile(rf"(?<=\w)(?! [{_DASHES}]\d)[ {_DASHES}]+(?=\w)")
_NUMBER = re.compile(r"[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][+-]?\d+)?")
# Soft hyphen, zero-width space and joiners, byte-order mark: they show nowhere.
_INVISIBLE = str.maketrans("", "", "\u00ad\u200b\u200c\u200d\u2060\ufeff")
# No name is longer. To put the marks of a long text in order can take the square of their number.
_LONGEST = 500


def normalise(text: str) -> str:
    """`  Târgu-Mureş ` and `TARGU  MURES` both become `targu mures`; ș and ş, ț and ţ are one.

    Pure, and the normal form of a normal form is itself. Letters that are no letter with a mark (ł, ø, ð) stay. A
    number, a text of more than 500 characters and one of which nothing would be left are their own form.
    """
    if len(text) > _LONGEST:
        return text
    form = text
    if not text.isascii():
        form = unicodedata.normalize("NFD", text.translate(_INVISIBLE)).casefold()
        # Folding case can bring marks again (İ), and marks stood apart from their letters before.
        form = "".join(sign for sign in unicodedata.normalize("NFD", form) if not unicodedata.combining(sign))
    form = _BETWEEN_WORDS.sub(" ", " ".join(form.casefold().split()))
    if _NUMBER.fullmatch(form):
        return text.strip()
    return form or text
