"""A store is a container of its collections; an async one says what to await."""

from __future__ import annotations

import asyncio

import pytest

import vstore


def test_a_store_is_a_container_of_collections() -> None:
    with vstore.connect("memory:") as store:
        made = store.create_collection("docs", dimension=2)
        store.create_collection("also", dimension=2)
        made.add(["a"], [[1, 0]])
        assert store["docs"].count() == 1
        assert "docs" in store
        assert "other" not in store
        assert 7 not in store
        assert "" not in store
        assert list(store) == ["also", "docs"]
        assert store, "an empty store is a store"
        with pytest.raises(LookupError, match="get_collection on 'other'"):
            store["other"]
    with pytest.raises(vstore.Closed):
        "docs" in store  # noqa: B015


def test_an_async_store_says_what_to_await() -> None:
    async def main() -> None:
        async with vstore.aio.connect("memory:") as store:
            with pytest.raises(TypeError, match=r"await store\.get_collection\('docs'\)"):
                store["docs"]
            with pytest.raises(TypeError, match=r"await store\.has_collection\('docs'\)"):
                "docs" in store  # noqa: B015
            with pytest.raises(TypeError, match=r"await store\.list_collections\(\)"):
                list(store)

    asyncio.run(main())
