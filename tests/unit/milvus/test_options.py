"""URLs and options to what a Milvus client needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from vstore.errors import InvalidInput, Unsupported
from vstore.spi.protocol import Settings
from vstore.spi.urls import StoreURL, read_options
from vstore_milvus.options import OPTIONS, Target, read_target


def target(url: str, **options: str) -> Target:
    parsed = StoreURL.parse(url)
    return read_target(parsed, Settings(30.0, read_options(OPTIONS, parsed.params, options)))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("milvus://host", Target(uri="http://host:19530")),
        ("milvus://host:1/db", Target(uri="http://host:1", database="db")),
        ("milvus://host:1?database=db", Target(uri="http://host:1", database="db")),
        ("milvus+https://host", Target(uri="https://host:443")),
        ("milvus://u:p%40:x@host", Target(uri="http://host:19530", token="u:p@:x")),
        ("milvus://host?token=abc", Target(uri="http://host:19530", token="abc")),
        ("milvus://[::1]:1", Target(uri="http://[::1]:1")),
    ],
)
def test_servers(url: str, expected: Target) -> None:
    assert target(url) == expected


def test_a_file_has_one_spelling(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    assert target(f"milvus:{link}/x/../a.db").path == str(tmp_path.resolve() / "a.db")


@pytest.mark.parametrize(
    "url",
    [
        "milvus::memory:",
        "milvus:",
        "milvus:folder",
        "milvus:a.db?token=x",
        "milvus:a.db?database=x",
        "milvus://host/a?database=b",
        "milvus://u:p@host?token=x",
        "milvus://u@host",
        "milvus://host/ü",
        "milvus://host?database=a%0Ab",
    ],
)
def test_what_contradicts_itself_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        target(url)


def test_an_old_client_is_refused() -> None:
    """pymilvus before 2.6.4 stores JSON text as one JSON string."""
    from vstore_milvus.connect import check_client

    for version in ("2.6.4", "2.6.17", "3.0.2", "3.1.0rc1", "10.0"):
        check_client(version)
    for version in ("2.6.3", "2.5.18", "2.4.0"):
        with pytest.raises(Unsupported):
            check_client(version)


def test_secrets_are_not_shown() -> None:
    assert "secret" not in repr(target("milvus://host", token="secret"))
