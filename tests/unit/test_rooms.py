"""The table of rooms in docs/architecture.md names every module of every adapter, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = {"Chroma": "vstore_chroma", "Milvus": "vstore_milvus", "pgvector": "vstore_pgvector", "Qdrant": "vstore_qdrant"}


def _rooms(adapter: str) -> list[str]:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page[page.index("## The rooms of an adapter") :]
    rows = re.findall(r"^\| `([\w/]+)` \| [^|]+ \| ([^|]+) \|$", table, re.MULTILINE)
    return sorted(room for room, whose in rows if whose == "all" or adapter in whose.split(", "))


@pytest.mark.parametrize("adapter", NAMES)
def test_the_table_of_rooms_is_true(adapter: str) -> None:
    folder = ROOT / "adapters" / NAMES[adapter]
    files = [path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.py")]
    assert sorted(f for f in files if not f.startswith("_sync/") and f != "_async/__init__") == _rooms(adapter)
