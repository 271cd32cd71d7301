from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints

import pytest

from bulkmove.connectors.discover import GROUP, _Connectors, connector, connectors
from bulkmove.errors import ConfigError
from bulkmove.protocols import Connector


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, GROUP)


def test_the_built_in_connectors_are_found_by_name() -> None:
    found = connectors()
    assert {"external-order", "merchantpro", "robosize"} <= set(found)
    assert all(found[name].name == name for name in ("external-order", "merchantpro", "robosize"))


def test_an_unknown_api_is_named_with_its_nearest_spelling() -> None:
    with pytest.raises(ConfigError, match="no api 'merchant-pro'; did you mean 'merchantpro'"):
        connector("merchant-pro")


def test_a_package_is_loaded_only_when_it_is_asked_for() -> None:
    found = _Connectors(EntryPoints([point("bad", "no.such.module:C"), point("good", "math:pi")]))
    assert list(found) == ["bad", "good"]
    assert found["good"] is found["good"]
    with pytest.raises(ConfigError, match=r"api 'bad': no.such.module:C can't be loaded"):
        found["bad"]


def test_two_packages_of_one_name_are_refused() -> None:
    found = _Connectors(EntryPoints([point("x", "a:C"), point("x", "b:C")]))
    with pytest.raises(ConfigError, match="several packages: a:C, b:C"):
        found["x"]


@pytest.mark.parametrize("name", ["external-order", "merchantpro", "robosize"])
def test_a_connector_says_what_its_streams_are(name: str) -> None:
    found: Connector = connector(name)
    assert bool(found.windows) is (name == "merchantpro"), "the others publish none"
    assert found.unconfirmed <= found.paths.keys()
    for stream, spec in found.streams.items():
        assert spec.name == stream
        assert spec.can_write == bool(spec.writable_fields)
        assert spec.can_write == (spec.natural_key is not None)
        assert not spec.can_write or {spec.id_field, spec.natural_key} <= spec.writable_fields
