"""The embedded databases that the doors are tested on, each open for the tests of one class."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import vstore


class OnDatabase:
    """Base of test classes over one URL, in which ``{}`` is a new directory."""

    url: str

    @pytest.fixture(scope="class")
    @classmethod
    def database(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
        """The URL of a database that stays open for the whole class."""
        url = cls.url.format(tmp_path_factory.mktemp("database"))
        with vstore.connect(url):
            yield url


URLS = {
    "Memory": "memory:",
    "Chroma": "chroma:{}",
    "ChromaInMemory": "chroma::memory:",
    "Qdrant": "qdrant:{}",
    "QdrantInMemory": "qdrant::memory:",
    "Milvus": "milvus:{}/data.db",
    "Pgvector": "pgvector:{}",
}


def on_each(suite: type) -> dict[str, type]:
    """A test class of ``suite`` for each database, by name, for ``globals().update``."""
    made = {}
    for database, url in URLS.items():
        name = f"Test{suite.__name__}On{database}"
        # In memory the adapters are those of the directories, and Qdrant's local mode takes minutes. Milvus takes
        # seconds for each new collection; every run has its sync form, and its async form in the conformance suite.
        slow = database.endswith("InMemory") or (database == "Milvus" and suite.__name__.startswith("Async"))
        marks = [pytest.mark.nightly] if slow else []
        made[name] = type(name, (suite,), {"url": url, "__module__": suite.__module__, "pytestmark": marks})
    return made
