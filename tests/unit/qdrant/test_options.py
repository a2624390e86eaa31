"""URLs and options of Qdrant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vstore.errors import InvalidInput
from vstore.spi.protocol import Settings
from vstore.spi.urls import StoreURL, read_options
from vstore_qdrant.options import OPTIONS, Target, read_target


def target(url: str, **keywords: Any) -> Target:
    parsed = StoreURL.parse(url)
    return read_target(parsed, Settings(30.0, read_options(OPTIONS, parsed.params, keywords)))


def test_kinds() -> None:
    assert target("qdrant::memory:") == Target("memory")
    assert target("qdrant:./x/../y").path == str(Path("y").resolve())
    found = target("qdrant://host")
    assert (found.kind, found.host, found.port, found.tls) == ("server", "host", 6333, False)
    found = target("qdrant+https://host/prefix?api_key=k&prefer_grpc=true&grpc_port=7")
    assert (found.port, found.tls, found.prefix, found.grpc_port) == (443, True, "prefix", 7)
    assert found.prefer_grpc
    assert found.api_key == "k"
    assert "'k'" not in repr(found)


@pytest.mark.parametrize(
    "url",
    ["qdrant:", "qdrant:x?api_key=k", "qdrant::memory:?prefer_grpc=1", "qdrant://u:p@host", "qdrant://host?nonsense=1"],
)
def test_what_has_no_meaning_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        target(url)
