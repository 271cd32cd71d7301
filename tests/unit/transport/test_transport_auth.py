"""Addresses, queries and headers of signed requests; and what of them may be shown."""

from __future__ import annotations

import pytest

from bulkmove.errors import ConfigError
from bulkmove.model import Request
from bulkmove.protocols import Signature
from bulkmove.settings import HostSettings
from bulkmove.transport.auth import SignedAddress, host_address, signed_headers
from bulkmove.transport.proxies import proxy_of


def host(url: str) -> HostSettings:
    return HostSettings("old", "none", url)


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("https://shop.example", "/api/v2/orders", "https://shop.example/api/v2/orders"),
        ("https://shop.example/", "/api/v1/product/", "https://shop.example/api/v1/product/"),
        ("https://shop.example/shop/", "api/v2/orders", "https://shop.example/shop/api/v2/orders"),
        ("https://shop.example/a%20b", "/orders/", "https://shop.example/a%20b/orders/"),
        ("https://shop.example:8443", "/orders/95750870.3", "https://shop.example:8443/orders/95750870.3"),
        ("https://shop.example", "/orders/a%2Fb", "https://shop.example/orders/a%2Fb"),
        ("https://shop.example", "/orders/ș ț", "https://shop.example/orders/%C8%99%20%C8%9B"),
        ("https://shop.example", "", "https://shop.example/"),
    ],
)
def test_a_path_is_joined_to_the_address_as_it_stands(base: str, path: str, url: str) -> None:
    assert str(SignedAddress(host(base), Signature()).url_of(Request("GET", path))) == url


def test_the_query_carries_the_parameters_and_the_signature_which_wins() -> None:
    address = SignedAddress(host("https://shop.example"), Signature(params={"api_key": "real"}))
    url = address.url_of(
        Request("GET", "/x/", {"after": "2024-01-01T00:00:00+02:00", "q": "a&b=c", "api_key": "old"})
    )
    assert dict(url.query) == {"after": "2024-01-01T00:00:00+02:00", "q": "a&b=c", "api_key": "real"}
    assert "+02" not in url.raw_query_string, "a bare + would be read as a space"


@pytest.mark.parametrize("path", ["/x?api_key=s3cret", "/x#y", "/orders/..", "/orders/../admin", "/./x"])
def test_a_path_that_would_lead_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path") as caught:
        SignedAddress(host("https://shop.example"), Signature()).url_of(Request("GET", path))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "shop.example",
        "ftp://shop.example",
        "https://",
        "https://user:s3cret@shop.example",
        "https://shop.example?key=s3cret",
        "https://shop.example:s3cret",
        "",
    ],
)
def test_an_unusable_address_is_a_configuration_error_that_does_not_show_it(url: str) -> None:
    with pytest.raises(ConfigError, match=r"hosts\.old\.url") as caught:
        host_address(host(url))
    assert "s3cret" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_credential_with_a_line_break_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigError, match=r"hosts\.old\.credentials") as caught:
        signed_headers(host("https://shop.example"), Signature({"API-Token": "s3cret\n"}))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://user:s3cret@other.example/x/?api_key=s3cret#s3cret", "https://other.example/x/"),
        ("/orders/?api_key=s3cret", "https://shop.example/orders/"),
        ("//other.example/y", "https://other.example/y"),
        ("mailto:s3cret", "an address that it doesn't name"),
        ("http://[s3cret", "an address that it doesn't name"),
        (None, "an address that it doesn't name"),
    ],
)
def test_a_redirect_shows_origin_and_path_alone(location: str | None, shown: str) -> None:
    address = SignedAddress(host("https://shop.example"), Signature(params={"api_key": "s3cret"}))
    headers = {} if location is None else {"Location": location}
    assert address.target_of_redirect(Request("POST", "/orders"), headers) == shown


@pytest.mark.parametrize(
    ("url", "environment", "proxy"),
    [
        ("https://shop.example", {"https_proxy": "http://u:p@10.0.0.1:3128"}, "http://u:p@10.0.0.1:3128"),
        ("https://shop.example", {"http_proxy": "http://10.0.0.1:3128"}, None),
        ("http://shop.example", {"http_proxy": "10.0.0.1:3128"}, "http://10.0.0.1:3128"),
        ("https://shop.example", {"https_proxy": "http://10.0.0.1:3128", "no_proxy": "shop.example"}, None),
        ("http://127.0.0.1:8080", {"http_proxy": "http://10.0.0.1:3128"}, None),
        ("http://localhost:8080", {"http_proxy": "http://10.0.0.1:3128"}, None),
    ],
)
def test_the_proxy_is_the_environments(
    monkeypatch: pytest.MonkeyPatch, url: str, environment: dict[str, str], proxy: str | None
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = proxy_of(host_address(host(url)))
    assert (None if found is None else str(found)) == proxy
