"""Haystack's own suites for document stores, whole, sync and async, on every embedded database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import numpy as np
import pytest
import pytest_asyncio
from haystack import Document
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy
from haystack.testing import document_store as suites
from haystack.testing import document_store_async as async_suites

from tests.integrations.databases import OnDatabase, on_each
from vstore.conformance.fixtures import unique_name
from vstore.integrations.haystack import VStoreDocumentStore

DIMENSION = 768


def store_on(url: str) -> VStoreDocumentStore:
    return VStoreDocumentStore(url, unique_name(), embedding_dimension=DIMENSION)


class Equal:
    """Documents are compared without their order, and embeddings as the float32 that every database holds."""

    @staticmethod
    def assert_documents_are_equal(received: list[Document], expected: list[Document]) -> None:
        one, other = (sorted(documents, key=lambda document: document.id) for documents in (received, expected))
        assert [replace(d, embedding=None) for d in one] == [replace(d, embedding=None) for d in other]
        for mine, theirs in zip(one, other, strict=True):
            assert (mine.embedding is None) == (theirs.embedding is None)
            if mine.embedding is not None:
                np.testing.assert_allclose(mine.embedding, theirs.embedding, rtol=1e-6)


class Suite(
    Equal,
    OnDatabase,
    suites.DocumentStoreBaseExtendedTests,
    suites.CountDocumentsByFilterTest,
    suites.CountUniqueMetadataByFilterTest,
    suites.GetMetadataFieldsInfoTest,
    suites.GetMetadataFieldMinMaxTest,
    suites.GetMetadataFieldUniqueValuesTest,
):
    @pytest.fixture
    def document_store(self, database: str) -> Iterator[VStoreDocumentStore]:
        store = store_on(database)
        yield store
        store.close()

    def test_write_documents(self, document_store: VStoreDocumentStore) -> None:
        """Which policy is meant by none is the store's own."""
        document = Document(content="test doc")
        assert document_store.write_documents([document]) == 1
        with pytest.raises(DuplicateDocumentError):
            document_store.write_documents([document], DuplicatePolicy.NONE)
        self.assert_documents_are_equal(document_store.filter_documents(), [document])


class AsyncSuite(
    Equal,
    OnDatabase,
    async_suites.CountDocumentsAsyncTest,
    async_suites.CountDocumentsByFilterAsyncTest,
    async_suites.CountUniqueMetadataByFilterAsyncTest,
    async_suites.DeleteAllAsyncTest,
    async_suites.DeleteByFilterAsyncTest,
    async_suites.DeleteDocumentsAsyncTest,
    async_suites.FilterDocumentsAsyncTest,
    async_suites.GetMetadataFieldMinMaxAsyncTest,
    async_suites.GetMetadataFieldsInfoAsyncTest,
    async_suites.GetMetadataFieldUniqueValuesAsyncTest,
    async_suites.UpdateByFilterAsyncTest,
    async_suites.WriteDocumentsAsyncTest,
):
    @pytest_asyncio.fixture
    async def document_store(self, database: str) -> AsyncIterator[VStoreDocumentStore]:
        store = store_on(database)
        yield store
        await store.close_async()

    @pytest.mark.asyncio
    async def test_write_documents_async(self, document_store: VStoreDocumentStore) -> None:  # type: ignore[override]
        document = Document(content="test doc")
        assert await document_store.write_documents_async([document]) == 1
        with pytest.raises(DuplicateDocumentError):
            await document_store.write_documents_async([document], DuplicatePolicy.NONE)
        self.assert_documents_are_equal(await document_store.filter_documents_async(), [document])


globals().update(on_each(Suite))
globals().update(on_each(AsyncSuite))


@pytest.mark.parametrize(("module", "suite"), [(suites, Suite), (async_suites, AsyncSuite)])
def test_no_suite_of_haystack_is_left_out(module: object, suite: type) -> None:
    theirs = [value for name, value in vars(module).items() if isinstance(value, type) and name.endswith("Test")]
    theirs = [kind for kind in theirs if kind.__module__ == module.__name__]  # type: ignore[attr-defined]
    assert len(theirs) >= 11
    assert [kind.__name__ for kind in theirs if not issubclass(suite, kind)] == []
