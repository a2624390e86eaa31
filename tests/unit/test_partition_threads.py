"""The async form of a sync handle of a partition is a handle of the same partition."""

from __future__ import annotations

import asyncio

import pytest

import vstore
from vstore import InvalidInput
from vstore.core.in_threads import in_threads


def test_a_partition_stays_one_in_threads() -> None:
    with vstore.connect("memory:") as store:
        docs = store.create_collection("docs", dimension=2, partition_by="tenant")
        docs.add(["b"], [[1, 2]], metadatas=[{"tenant": "b"}])
        handle = in_threads(docs.partition("a"))

        async def work() -> None:
            await handle.upsert(["a"], [[1, 2]])
            assert (await handle.get(["a", "b"])).metadatas == [{"tenant": "a"}]
            with pytest.raises(InvalidInput):
                await handle.upsert(["c"], [[1, 2]], metadatas=[{"tenant": "b"}])

        asyncio.run(work())
        assert docs.count() == 2
