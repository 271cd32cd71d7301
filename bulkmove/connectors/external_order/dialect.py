"""How one host spells and pages. Within bulkmove all names are underscored; they are translated here, at the border.

The document, as it was published, shows names with and without their underscores (`created_after`, `createdafter`),
and public clients show pages by number; a host says by its options which of them it takes. A host that is underscored
costs nothing: rows and bodies pass as they are, without a copy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from bulkmove.connectors.asking import nearest
from bulkmove.connectors.external_order import names
from bulkmove.connectors.external_order.types import OrderStatus
from bulkmove.errors import ConfigError
from bulkmove.model import JsonObject
from bulkmove.settings import HostSettings

# The first of each is the default; of the last, any text that names a language.
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "spelling": ("underscored", "run-together"),
    "paging": ("page", "limit-offset"),
    "language": (),
}
_LANGUAGE = "ro"
# No name that is documented stands deeper in an answer: a list, its rows, their lines and addresses.
_DEEPEST = 20
_OF_LANGUAGES = re.compile(r"[A-Za-z*][A-Za-z0-9*,;=. -]*")

# All documented names that have underscores. `page_size` is no field: public clients alone show it, in this form.
_NAMES = (
    names.ID, "promo_code", names.ITEMS, names.STATUS, "loyalty_price", names.ADDRESS_ID, "address_ru", "zip_code",
    "region_id", "locality_id", names.CREATED_AT, "created_after",
)  # fmt: skip


def together(name: str) -> str:
    """A name or a status as hosts that are run-together spell it."""
    return name.replace("_", "")


_RUN_TOGETHER = {name: together(name) for name in _NAMES}
_UNDERSCORED = {together: name for name, together in _RUN_TOGETHER.items()}
_STATUSES_TOGETHER = {status: together(status) for status in get_args(OrderStatus)}
_STATUSES_UNDERSCORED = {together: status for status, together in _STATUSES_TOGETHER.items()}

# The second row of a list alone, whichever way of paging takes effect.
SECOND_ROW: Mapping[str, str] = {"page": "2", "page_size": "1", "limit": "1", "offset": "1"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """`is_underscored`: the host spells names as bulkmove does. `is_numbered`: it takes `page` and `page_size`."""

    is_underscored: bool = True
    is_numbered: bool = True

    def name(self, name: str) -> str:
        """A field's name as the host spells it."""
        return name if self.is_underscored else _RUN_TOGETHER.get(name, name)

    def written(self, body: JsonObject) -> JsonObject:
        """A body for the host."""
        if self.is_underscored:
            return body
        translated: JsonObject = _translated(body, _RUN_TOGETHER, _STATUSES_TOGETHER)
        return translated

    def read(self, answer: Any) -> Any:
        """A row, or a whole answer, of the host."""
        return answer if self.is_underscored else _translated(answer, _UNDERSCORED, _STATUSES_UNDERSCORED)

    def asked(self, parameters: Mapping[str, str]) -> Mapping[str, str]:
        """Parameters of a query, with the names and statuses in their values."""
        if self.is_underscored:
            return parameters
        return {self.name(name): self._value(name, value) for name, value in parameters.items()}

    def page(self, *, limit: int, offset: int) -> dict[str, str]:
        """The parameters of a page. Raises ValueError where numbered pages can't start at the offset."""
        if not self.is_numbered:
            return {"limit": str(limit), "offset": str(offset)}
        page, rest = divmod(offset, limit)
        if rest:
            raise ValueError(f"numbered pages of {limit} can't start at {offset}")
        return {"page": str(page + 1), "page_size": str(limit)}

    def _value(self, name: str, value: str) -> str:
        if name == "ordering":
            signs = (("-", field[1:]) if field.startswith("-") else ("", field) for field in value.split(","))
            return ",".join(sign + self.name(field) for sign, field in signs)
        if name == "status":
            return ",".join(_STATUSES_TOGETHER.get(status, status) for status in value.split(","))
        return value


def dialect_of(host: HostSettings) -> Dialect:
    """What the host's options say. Raises ConfigError for a value that is none of theirs."""
    return Dialect(
        is_underscored=_chosen(host, "spelling") == "underscored",
        is_numbered=_chosen(host, "paging") == "page",
    )


def headers_for(host: HostSettings) -> Mapping[str, str]:
    """What each request to the host carries. Documented: names of errors and of reference rows come in its language.

    Raises ConfigError for an option that no language could be.
    """
    language = host.options.get("language", _LANGUAGE)
    if not isinstance(language, str) or not _OF_LANGUAGES.fullmatch(language):
        raise ConfigError(
            f'hosts.{host.name}.options.language: must be text that names a language, as "ro", "ru" or "en"'
        )
    return {"Accept": "application/json", "Accept-Language": language}


def run_together(name: str) -> str | None:
    """The other spelling of a field that has one."""
    return _RUN_TOGETHER.get(name)


def _chosen(host: HostSettings, name: str) -> str:
    allowed = OPTIONS[name]
    value = host.options.get(name, allowed[0])
    if value not in allowed:
        raise ConfigError(
            f"hosts.{host.name}.options.{name} = {value!r} is none of {', '.join(allowed)}"
            f"{nearest(str(value), allowed)}"
        )
    return str(value)


def _translated(value: Any, fields: Mapping[str, str], statuses: Mapping[str, str], depth: int = 0) -> Any:
    if depth > _DEEPEST:
        return value
    if isinstance(value, list):
        return [_translated(each, fields, statuses, depth + 1) for each in value]
    if not isinstance(value, dict):
        return value
    new = {}
    for name, inner in value.items():
        is_status = type(inner) is str and name in _STATUS_NAMES
        new[fields.get(name, name)] = (
            statuses.get(inner, inner) if is_status else _translated(inner, fields, statuses, depth + 1)
        )
    return new


_STATUS_NAMES = frozenset({names.STATUS, together(names.STATUS)})
