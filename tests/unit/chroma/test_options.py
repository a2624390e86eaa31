"""URLs and options to what a client needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from vstore.errors import InvalidInput
from vstore.spi.protocol import Settings
from vstore.spi.urls import StoreURL, read_options
from vstore_chroma.options import OPTIONS, Target, read_target


def target(text: str, **options: str) -> Target:
    url = StoreURL.parse(text)
    return read_target(url, Settings(5.0, read_options(OPTIONS, url.params, options)))


def test_a_path_has_one_spelling(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real").mkdir()
    assert target(f"chroma:{tmp_path}/real").path == str(tmp_path / "real")
    assert target(f"chroma:{tmp_path}/x/../link/").path == str(tmp_path / "real")


def test_servers() -> None:
    assert target("chroma://h") == Target("server", host="h", port=8000)
    assert target("chroma+https://h") == Target("server", host="h", port=443, tls=True)
    found = target("chroma://h:1?tenant=t&database=d", token="s3cret", headers='{"X-A": "b"}')
    assert (found.port, found.tenant, found.database) == (1, "t", "d")
    assert found.headers == {"X-A": "b", "X-Chroma-Token": "s3cret", "Authorization": "Bearer s3cret"}
    assert set(found.secrets) == {"b", "s3cret"}
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("chroma:", {}),
        ("chroma:./x", {"token": "t"}),
        ("chroma::memory:", {"headers": "{}"}),
        ("chroma::memory:", {"tenant": "t"}),
        ("chroma://user:pass@h", {}),
        ("chroma://h/database", {}),
        ("chroma://h", {"headers": "not JSON"}),
        ("chroma://h", {"headers": '{"a": 1}'}),
        ("chroma://h", {"headers": "[]"}),
    ],
)
def test_what_has_no_meaning_is_refused(url: str, options: dict[str, str]) -> None:
    with pytest.raises(InvalidInput) as raised:
        target(url, **options)
    assert "not JSON" not in str(raised.value)
