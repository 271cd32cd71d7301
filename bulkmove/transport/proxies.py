"""The proxy between this machine and a host, as the environment names it. What it is called never shows: it may hold a password."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.request import getproxies_environment, proxy_bypass

from yarl import URL

from bulkmove.errors import ConfigError


def proxy_of(url: URL) -> URL | None:
    """HTTP_PROXY, HTTPS_PROXY or ALL_PROXY, unless NO_PROXY names the address. Asked once: aiohttp would ask, and read ~/.netrc, each time."""
    proxies = getproxies_environment()
    proxy = proxies.get(url.scheme, proxies.get("all"))
    if not proxy or url.host is None or is_loopback(url.host) or proxy_bypass(f"{url.host}:{url.port}"):
        return None
    try:
        found = URL(proxy if "://" in proxy else f"http://{proxy}")
    except ValueError:
        found = URL()
    if found.scheme not in ("http", "https") or not found.host:
        raise ConfigError("the proxy in the environment is no http or https address")
    return found


def is_loopback(name: str) -> bool:
    """Whether it is this machine, which no proxy could reach."""
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
