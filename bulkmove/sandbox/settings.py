"""What a sandbox is set to: frozen values, each with the command line option that sets it.

The options are read from the fields' metadata, so that `bulkmove sandbox`, `SandboxSettings` and the process
starter can't drift apart.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any, Literal

from bulkmove.errors import ConfigError
from bulkmove.sandbox.conditions import Fault, Latency, RateWindow

_LOOPBACK = re.compile(r"127(\.\d{1,3}){3}|::1|localhost")
_NO_LATENCY = Latency()


def _set(default: Any, help_text: str, *, parse: Any = None, name: str | None = None) -> Any:
    """A field with its option's help; `parse` reads one text value, for options that may be repeated."""
    return dataclasses.field(default=default, metadata={"help": help_text, "parse": parse, "option": name})


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings:
    """All of a sandbox. The same settings give the same data, byte for byte, and the same faults in the same places.

    Raises ConfigError for an address that is not loopback and for counts below zero.
    """

    host: str = _set("127.0.0.1", "Loopback address to listen on.")
    port: int = _set(0, "Port; 0 takes a free one.")
    orders: int = _set(1000, "MerchantPro orders at the source.")
    products: int = _set(200, "Robosize products, and products of the shop that is moved to.")
    seed: int = _set(1, "Seed of the data and of the faults.")
    undated: int = _set(0, "How many of the orders have no date_created: they match no date filter.")
    fractional: bool = _set(False, "Let some quantities be fractions, such as 1.5.")
    stable_ties: bool = _set(
        False, "Keep orders of one second in one order, instead of a new one each request."
    )
    targets_existing: int = _set(0, "Foreign rows already in the external-order and Robosize order lists.")
    targets_matching: int = _set(0, "Rows already there whose rrn or store_id is the id of a source order.")
    targets_doubled: int = _set(0, "How many of the matching rows are there twice.")
    ids_missing: int = _set(0, "Products that the table of old and new ids lacks.")
    rates: tuple[RateWindow, ...] = _set(
        (),
        "Strict limit such as 4/s or merchantpro=80/min; may be repeated.",
        parse=RateWindow.parse,
        name="rate",
    )
    capacities: tuple[RateWindow, ...] = _set(
        (),
        "What an API works on, one after the other, such as 50/s or robosize=20/s: more than that waits; may be repeated.",
        parse=RateWindow.parse,
        name="capacity",
    )
    latency: Latency = _set(  # noqa: RUF009  it is frozen
        _NO_LATENCY,
        "Hold each answer back: 100ms, 20-80ms, or 20~500ms with a long tail.",
        parse=Latency.parse,
    )
    faults: tuple[Fault, ...] = _set(
        (),
        "Fault and share, such as error-500=0.02 or robosize:dropped=0.1; may be repeated.",
        parse=Fault.parse,
        name="fault",
    )
    late_seconds: float = _set(1.5, "How late applied-late is.")
    slow_seconds: float = _set(2.0, "How long slow holds an answer back.")
    wait_seconds: float = _set(1.0, "The wait that the fault too-many-429 names.")
    windows: Literal["sliding", "fixed"] = _set(
        "sliding", "Whether a limit holds for any stretch of its length, or begins anew each time it is over."
    )
    limit_wait: Literal["seconds", "date", "reset-time", "none"] = _set(
        "seconds", "How a strict limit's 429 names its wait."
    )
    dates: Literal["zoned", "naive", "utc"] = _set(
        "zoned", "Dates of orders: with their zone, without one, or in UTC."
    )
    created_after: Literal["inclusive", "exclusive"] = _set(
        "inclusive", "Whether created_after and created_before take the second itself."
    )
    external_list: Literal["envelope", "array"] = _set("envelope", "Shape of the external-order lists.")
    external_spelling: Literal["underscored", "run-together"] = _set(
        "underscored", "How external-order spells fields, statuses and filters: order_id or orderid."
    )
    external_paging: Literal["page", "limit-offset"] = _set(
        "page", "Whether external-order takes page and page_size, or limit and offset."
    )
    external_created_after: Literal["heeded", "ignored"] = _set(
        "heeded", "Whether external-order takes its created_after filter."
    )
    created_at: Literal["epoch", "iso", "absent"] = _set("epoch", "created_at in external-order rows.")
    items_on_update: Literal["append", "replace"] = _set(
        "append", "What an update's lines without an id do to the lines that are there."
    )
    drf: Literal["list", "indexed"] = _set(
        "list", "Shape of a 400 on an array: a list as long, or an object of the bad ones."
    )
    strict_references: bool = _set(
        False, "Refuse shops, products, promo codes and places that the target does not have."
    )
    external_max_size: int = _set(5000, "Longest page of external-order; more is cut to it without a word.")
    robosize_max_limit: int = _set(200, "Longest page of Robosize; more is cut to it without a word.")
    robosize_order: Literal["id", "updated"] = _set(
        "id", "How Robosize lists: by id, or what was changed last at the end."
    )
    max_body_bytes: int = _set(10 * 1024 * 1024, "Longest request body; a longer one gets a 413.")
    merchantpro_key: str = _set("demo-key", "User of MerchantPro's Basic credentials.")
    merchantpro_secret: str = _set("demo-secret", "Password of MerchantPro's Basic credentials.")
    external_token: str = _set("demo-token", "API-Token of external-order.")
    robosize_api_key: str = _set("demo-api-key", "api_key of Robosize.")

    def __post_init__(self) -> None:
        if not _LOOPBACK.fullmatch(self.host):
            raise ConfigError(f"the sandbox listens on loopback addresses only, not on {self.host}")
        for name in (
            "orders",
            "products",
            "undated",
            "targets_existing",
            "targets_matching",
            "targets_doubled",
            "ids_missing",
        ):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is below zero")
        if self.undated > self.orders or self.targets_matching > self.orders:
            raise ConfigError("undated and targets_matching can't be more than the orders")
        if self.targets_doubled > self.targets_matching:
            raise ConfigError("targets_doubled can't be more than targets_matching")

    def arguments(self) -> list[str]:
        """The options of `bulkmove sandbox` that make these settings, defaults left out."""
        arguments: list[str] = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            option = option_name(field)
            if value == field.default:
                continue
            if isinstance(value, bool):
                arguments.append(option)
            elif isinstance(value, tuple):
                arguments += [part for item in value for part in (option, str(item))]
            else:
                arguments += [option, str(value)]
        return arguments


def option_name(field: dataclasses.Field[Any]) -> str:
    """The option of a settings field: `rates` is set by a repeated `--rate`."""
    return "--" + (field.metadata["option"] or field.name).replace("_", "-")
