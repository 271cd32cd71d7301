"""How a host is reached: its deadlines beside each other, and the certificates that it is to be known by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from bulkmove.config import load_migration
from bulkmove.config.editor_schema import json_schema
from bulkmove.config.show import plain
from bulkmove.errors import ConfigError
from bulkmove.settings import deadlines_of

Write = Callable[..., Path]
NEW_URL = 'url = "https://shop.example.md"'


def problem(write: Write, added: str, *, url: str = NEW_URL) -> str:
    with pytest.raises(ConfigError) as caught:
        load_migration(write((NEW_URL, f"{url}\n{added}")))
    return str(caught.value)


def test_deadlines_follow_from_timeout_s(write: Write) -> None:
    hosts = load_migration(write((NEW_URL, f"{NEW_URL}\ntimeout_s = 8"))).hosts
    old, new = deadlines_of(hosts["old"]), deadlines_of(hosts["new"])
    assert (old.connect_s, old.first_byte_s, old.whole_s) == (10, 30, 30)
    assert (new.connect_s, new.first_byte_s, new.whole_s) == (4, 8, 8)


def test_deadlines_can_be_set_each(write: Write) -> None:
    text = "timeout_s = 60\nconnect_timeout_s = 2.5\nfirst_byte_timeout_s = 60"
    settings = load_migration(write((NEW_URL, f"{NEW_URL}\n{text}")))
    deadlines = deadlines_of(settings.hosts["new"])
    assert (deadlines.connect_s, deadlines.first_byte_s, deadlines.whole_s) == (2.5, 60, 60)
    shown = plain(settings)["hosts"]
    assert (shown["new"]["connect_timeout_s"], shown["new"]["first_byte_timeout_s"]) == (2.5, 60)
    assert (shown["old"]["connect_timeout_s"], shown["old"]["first_byte_timeout_s"]) == (10, 30)


@pytest.mark.parametrize("key", ["connect_timeout_s", "first_byte_timeout_s"])
@pytest.mark.parametrize(("value", "whole"), [("31", ""), ("6", "\ntimeout_s = 5")])
def test_no_part_may_take_longer_than_the_whole(write: Write, key: str, value: str, whole: str) -> None:
    allowed = "5" if whole else "30"
    assert (
        f"hosts.new.{key}: must be at most {allowed}, which `timeout_s` gives the whole request, not {value}"
        in problem(write, f"{key} = {value}{whole}")
    )


@pytest.mark.parametrize("key", ["connect_timeout_s", "first_byte_timeout_s"])
@pytest.mark.parametrize(("value", "said"), [("0", "more than 0"), ('"5"', "a number"), ("inf", "finite")])
def test_a_deadline_is_a_number_of_seconds(write: Write, key: str, value: str, said: str) -> None:
    found = problem(write, f"{key} = {value}")
    assert f"hosts.new.{key}: must be " in found
    assert said in found


def test_ca_file_is_found_beside_the_migrations_file(write: Write, tmp_path: Path) -> None:
    (tmp_path / "trust").mkdir()
    trustme.CA().cert_pem.write_to_path(tmp_path / "trust" / "ca.pem")
    settings = load_migration(write((NEW_URL, f'{NEW_URL}\nca_file = "trust/ca.pem"')))
    assert settings.hosts["new"].ca_file == tmp_path / "trust" / "ca.pem"
    assert settings.hosts["old"].ca_file is None
    assert plain(settings)["hosts"]["new"]["ca_file"] == str(tmp_path / "trust" / "ca.pem")


def test_a_ca_file_that_is_not_there_is_named(write: Write) -> None:
    assert "hosts.new.ca_file: can't read the file ca.pem: No such file or directory" in problem(
        write, 'ca_file = "ca.pem"'
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
    ids=["empty", "text", "broken"],
)
def test_a_ca_file_that_is_none_is_named(write: Write, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ca.pem").write_bytes(content)
    assert "hosts.new.ca_file: the file ca.pem holds no certificates in PEM" in problem(
        write, 'ca_file = "ca.pem"'
    )


def test_a_private_key_is_no_certificate_and_is_not_shown(write: Write, tmp_path: Path) -> None:
    key = trustme.CA().issue_cert("shop.example.md").private_key_pem
    key.write_to_path(tmp_path / "ca.pem")
    found = problem(write, 'ca_file = "ca.pem"')
    assert "holds no certificates in PEM" in found
    assert "PRIVATE" not in found


def test_what_a_variable_in_its_path_stands_for_is_not_shown(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHERE", "s3cret-place")
    found = problem(write, 'ca_file = "${WHERE}/ca.pem"')
    assert "can't read the file ${WHERE}/ca.pem" in found
    assert "s3cret" not in found


def test_ca_file_without_tls_would_do_nothing(write: Write) -> None:
    found = problem(write, 'ca_file = "ca.pem"', url='url = "http://shop.example.md"')
    assert "hosts.new.ca_file: belongs to a host whose url begins with https://" in found


def test_verifying_can_not_be_switched_off(write: Write) -> None:
    found = problem(write, "verify = false")
    assert "hosts.new.verify: unknown key" in found


def test_the_schema_teaches_the_keys() -> None:
    host = json_schema()["$defs"]["Host"]["properties"]
    for key in ("connect_timeout_s", "first_byte_timeout_s", "ca_file"):
        assert host[key]["description"]
