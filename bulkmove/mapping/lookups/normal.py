"""One form of a text for all its spellings: without regard to case, diacritics, and blanks or hyphens between words."""

from __future__ import annotations

import re
import unicodedata

# Blanks and the hyphens and dashes of Unicode, which stand for one another between words.
_BETWEEN_WORDS = re.compile(r"[\s\-\u2010-\u2015\u2212]+")
# Soft hyphen, zero-width space and joiners, byte-order mark: they show nowhere.
_INVISIBLE = str.maketrans("", "", "\u00ad\u200b\u200c\u200d\u2060\ufeff")


def normalise(text: str) -> str:
    """`  Târgu-Mureş ` and `TARGU  MURES` both become `targu mures`; ș and ş, ț and ţ are one.

    Pure, and the normal form of a normal form is itself. Letters that are no letter with a mark (ł, ø, ð) stay.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.translate(_INVISIBLE)).casefold()
        # Folding case can bring marks again (İ), and marks stood apart from their letters before.
        text = "".join(
            sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign)
        )
    return " ".join(filter(None, _BETWEEN_WORDS.split(text.casefold())))
