"""What stands in for one value: another of the same kind, that nobody can lead back without the key."""

from __future__ import annotations

import hmac
import math
import re
import struct
import unicodedata
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from functools import partial

from bulkmove.model import Json

# RFC 2606: no mail is ever delivered there.
MAIL_HOST = "@example.invalid"
# So many signs tell all e-mails of a shop apart, though short ones grow longer by it.
_SHORTEST_LOCAL, _LONGEST_LOCAL = 10, 64
_MAIL_SIGNS = "abcdefghijkmnopqrstuvwxyz23456789"
_MAIL = re.compile(r"([^\s@<>,;:\"'()\[\]]+@[^\s@<>,;:\"'()\[\]]+\.[^\s@<>,;:\"'()\[\].]+)")
_ISO_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:([T ])(\d\d):(\d\d)(:\d\d)?(.*))?", re.ASCII | re.DOTALL)
_OTHER_DATE = re.compile(r"(\d\d)([./-])(\d\d)\2(\d{4})", re.ASCII)
_ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}", re.ASCII)
# A birthday stays that of an adult, and a date of an order in its years.
_FARTHEST_DAYS = 700
_COUNTRY_DIGITS = 2
_TRIES = 8
# Vowels for vowels and consonants for consonants: a name stays one that can be spoken, and a word looks like one.
_CLASSES = ("aeiou", "bcdfghjklmnprstvz", "ăâîáéíóöü", "șțşţčšžñ")
_SMALL = {letter: group for group in _CLASSES for letter in group} | dict.fromkeys("qwxy", _CLASSES[1])
_ALIKE = _SMALL | {letter.upper(): group.upper() for letter, group in _SMALL.items()}
_NUMBERS = struct.Struct("<16H")
# Letters of other scripts: one that stands near. Where there are no capitals there are many signs, and more to hide among.
_NEAR, _NEAR_WITHOUT_CAPITALS = 32, 256
_MOST_64_BITS = 2**63


_Make = Callable[["_Draw", str], str]


class StandIns:
    """Stand-ins under one key: equal values get equal ones."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, value: Json) -> Json:
        """Another value of the same kind. What tells nothing of a person stays: null, true, false, "" and 0."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            return value
        return self._number(value)

    def _number(self, value: float | Decimal) -> Json:
        mantissa, mark, exponent = str(value).partition("E" if isinstance(value, Decimal) else "e")
        masked = f"{self._redrawn(mantissa, _signs)}{mark}{exponent}"
        if isinstance(value, int):
            # What 64 bits held goes on being held by them.
            is_too_long = abs(value) < _MOST_64_BITS <= abs(int(masked))
            return int(masked[:-1] if is_too_long else masked)
        if isinstance(value, float):
            number = float(masked) if math.isfinite(value) else value
            return number if math.isfinite(number) else value / 2
        return Decimal(masked) if value.is_finite() else value

    def _text(self, value: str) -> str:
        parts = _MAIL.split(value)
        if len(parts) > 1:
            # What the pattern found stands at every second place.
            return "".join(self._mail(p) if n % 2 else self._plain(p) for n, p in enumerate(parts))
        return self._plain(value)

    def _plain(self, value: str) -> str:
        if (found := _ISO_DATE.fullmatch(value)) is not None and (day := _day(found[1], found[2], found[3])):
            return self._redrawn(value, partial(_iso, day=day))
        if (found := _OTHER_DATE.fullmatch(value)) is not None and (
            _day(found[4], found[3], found[1]) or _day(found[4], found[1], found[3])
        ):
            return self._redrawn(value, _other_date)
        return self._redrawn(value, _signs)

    def _mail(self, value: str) -> str:
        length = min(max(len(value) - len(MAIL_HOST), _SHORTEST_LOCAL), _LONGEST_LOCAL)
        draw = _Draw(self._key, value.lower(), 0)
        return draw.one_of(_MAIL_SIGNS[:24]) + "".join(
            draw.one_of(_MAIL_SIGNS) for _ in range(length - 1)
        ) + MAIL_HOST  # fmt: skip

    def _redrawn(self, value: str, make: _Make) -> str:
        """What `make` draws, and another where that is the value itself."""
        made = value
        for attempt in range(_TRIES):
            made = make(_Draw(self._key, value, attempt), value)
            if made != value:
                break
        return made


class _Draw:
    """A stream of numbers that hangs on the key and the value alone."""

    __slots__ = ("_block", "_key", "_numbers", "_value")

    def __init__(self, key: bytes, value: str, attempt: int) -> None:
        self._key = key
        self._value = f"{attempt}:{value}".encode("utf-8", "surrogatepass")
        self._block = 0
        self._numbers: list[int] = []

    def below(self, count: int) -> int:
        if not self._numbers:
            # Of 16 bits each, so that all of a few hundred are about as likely.
            digest = hmac.digest(self._key, self._block.to_bytes(4, "big") + self._value, "sha256")
            self._numbers = list(_NUMBERS.unpack(digest))
            self._block += 1
        return self._numbers.pop() % count

    def one_of(self, signs: str) -> str:
        return signs[self.below(len(signs))]


def _signs(draw: _Draw, value: str) -> str:
    """Each sign by one of its kind. Leading zeros and the country after + or 00 stay: a number goes on being dialled."""
    if _ADDRESS.fullmatch(value):
        return ".".join(str(1 + draw.below(254)) for _ in range(4))
    kept = _COUNTRY_DIGITS if value.startswith(("+", "00")) else 0
    made: list[str] = []
    was_digit, is_leading = False, True
    for sign in value:
        is_digit = "0" <= sign <= "9"
        is_leading = is_leading and is_digit if was_digit else is_digit
        if is_digit and is_leading and sign == "0":
            made.append(sign)
        elif is_digit and kept:
            kept, is_leading = kept - 1, False
            made.append(sign)
        elif is_digit:
            made.append(draw.one_of("123456789" if is_leading else "0123456789"))
            is_leading = False
        else:
            made.append(_letter(draw, sign) if sign.isalnum() else sign)
        was_digit = is_digit
    return "".join(made)


def _letter(draw: _Draw, sign: str) -> str:
    if (group := _ALIKE.get(sign)) is not None:
        return draw.one_of(group)
    kind = unicodedata.category(sign)
    near = _NEAR if kind in {"Lu", "Ll"} else _NEAR_WITHOUT_CAPITALS
    first = ord(sign) // near * near
    alike = [chr(code) for code in range(first, first + near) if unicodedata.category(chr(code)) == kind]
    return "".join(alike)[draw.below(len(alike))]


def _day(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def _iso(draw: _Draw, value: str, *, day: date) -> str:
    found = _ISO_DATE.fullmatch(value)
    text = _moved(draw, day).isoformat()
    if found is None or found[4] is None:
        return text
    is_midnight = (found[5], found[6], found[7]) in {("00", "00", ":00"), ("00", "00", None)}
    time = (draw.below(24), draw.below(60), draw.below(60)) if not is_midnight else (0, 0, 0)
    seconds = "" if found[7] is None else f":{time[2]:02}"
    return f"{text}{found[4]}{time[0]:02}:{time[1]:02}{seconds}{found[8]}"


def _moved(draw: _Draw, day: date) -> date:
    by = 1 + draw.below(_FARTHEST_DAYS)
    try:
        return day + timedelta(days=by if draw.below(2) else -by)
    except OverflowError:
        return day.replace(year=2000, day=1)


def _other_date(draw: _Draw, value: str) -> str:
    """One that is a date whichever number is the month."""
    first, second = 1 + draw.below(12), 1 + draw.below(12)
    year = max(1, int(value[6:]) + draw.below(5) - 2)
    return f"{first:02}{value[2]}{second:02}{value[2]}{year:04}"
