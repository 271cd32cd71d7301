"""What a signed request looks like: its address, its query and the headers that all requests of a host carry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache, partial
from importlib import metadata
from urllib.parse import quote

from multidict import CIMultiDict
from yarl import URL

from bulkmove.errors import ConfigError
from bulkmove.model import Request
from bulkmove.protocols import Signature
from bulkmove.settings import HostSettings
from bulkmove.transport.hiding import without_secrets

USER_AGENT = f"bulkmove/{metadata.version('bulkmove')}"
CACHED_PATHS = 512
_PATH_CHARACTERS = "/%:@!$&'()*+,;=-._~"
_UNSENDABLE = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST_SHOWN = 200


def host_address(host: HostSettings) -> URL:
    """The host's URL, checked. The text of a bad one is not shown: it may hold a password."""
    try:
        url = URL(host.url)
        port = url.port
    except ValueError:
        url, port = URL(), None
    if url.scheme not in ("http", "https") or not url.host or port is None:
        raise ConfigError(f"hosts.{host.name}.url is no http or https address")
    if url.user is not None or url.password is not None:
        raise ConfigError(
            f"hosts.{host.name}.url holds a user name or password: move it to hosts.{host.name}.credentials"
        )
    if url.query_string or url.fragment:
        raise ConfigError(f"hosts.{host.name}.url holds a query or fragment: give the address alone")
    return url


def signed_headers(host: HostSettings, sign: Signature) -> CIMultiDict[str]:
    """The headers of every request to the host. Only gzip is accepted: its size is checked as it unpacks."""
    headers = CIMultiDict({"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip"})
    headers.update(sign.headers)
    if any(_UNSENDABLE.search(text) for pair in headers.items() for text in pair):
        raise ConfigError(
            f"hosts.{host.name}.credentials hold a line break or control character: check their source"
        )
    return headers


class SignedAddress:
    """Makes URLs: the host's address, a request's path, its query and the signature's."""

    def __init__(self, host: HostSettings, sign: Signature) -> None:
        self.base = host_address(host)
        self._prefix = self.base.raw_path.rstrip("/")
        self._params = dict(sign.params)
        self._without_secrets = partial(without_secrets, sign)
        self._joined = lru_cache(CACHED_PATHS)(self._join)

    def url_of(self, request: Request) -> URL:
        url = self._joined(request.path)
        if self._params:
            return url.with_query({**request.params, **self._params})
        return url.with_query(request.params) if request.params else url

    def _join(self, path: str) -> URL:
        if "?" in path or "#" in path or any(part in (".", "..") for part in path.split("/")):
            raise ValueError("a request's path holds a query, a fragment or a dot segment")
        whole = self._prefix + "/" + quote(path.removeprefix("/"), safe=_PATH_CHARACTERS)
        return URL(str(self.base.origin()) + whole, encoded=True)

    def target_of_redirect(self, request: Request, headers: Mapping[str, str]) -> str:
        """Where a redirect points, without its query, and without a credential in its path."""
        try:
            url = self._joined(request.path).join(URL(headers["Location"]))
            shown = str(url.origin().with_path(url.path))
            return self._without_secrets(shown)[:_LONGEST_SHOWN]
        except (KeyError, ValueError):
            return "an address that it doesn't name"
