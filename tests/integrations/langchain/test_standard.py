"""LangChain's own suite, whole, on every embedded database."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from tests.integrations.databases import OnDatabase
from vstore.integrations.langchain import VStoreVectorStore

for function in vars(VectorStoreIntegrationTests).values():
    if inspect.iscoroutinefunction(function):
        pytest.mark.asyncio(function)  # the suite leaves it to the plugin's automatic mode


class Suite(OnDatabase, VectorStoreIntegrationTests):
    """The suite over one URL."""

    @pytest.fixture
    def vectorstore(self, database: str) -> Iterator[VStoreVectorStore]:  # type: ignore[override]
        with VStoreVectorStore(database, self.get_embeddings()) as store:
            yield store
            store.delete_collection()


class TestMemory(Suite):
    url = "memory:"


class TestChroma(Suite):
    url = "chroma:{}"


# in memory the adapters are those of the directories, and Qdrant's local mode is slow
@pytest.mark.nightly
class TestChromaInMemory(Suite):
    url = "chroma::memory:"


class TestQdrant(Suite):
    url = "qdrant:{}"


@pytest.mark.nightly
class TestQdrantInMemory(Suite):
    url = "qdrant::memory:"


class TestMilvus(Suite):
    url = "milvus:{}/data.db"


class TestPgvector(Suite):
    url = "pgvector:{}"


def test_no_test_of_the_suite_is_left_out() -> None:
    suite = [name for name in dir(VectorStoreIntegrationTests) if name.startswith("test_")]
    assert len(suite) >= 25
    store = TestMemory()
    assert store.has_sync
    assert store.has_async
    assert store.has_get_by_ids
    assert not [name for name in suite if getattr(TestMemory, name) is not getattr(VectorStoreIntegrationTests, name)]
