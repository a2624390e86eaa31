"""A door opens lazily, creates at the first write, shares what is in memory, and closes what it opened and no more."""

from __future__ import annotations

import asyncio
from pathlib import Path
from threading import Thread

import pytest

import vstore
from vstore import embed
from vstore.errors import Closed, InvalidInput, Mismatch, Unsupported
from vstore.integrations.door import AsyncDoor, Door
from vstore.integrations.target import Target


@pytest.fixture(params=["memory:", "chroma::memory:", "qdrant::memory:", "chroma:", "qdrant:", "milvus:", "pgvector:"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    given: str = request.param
    return given if given.endswith("memory:") else f"{given}{tmp_path / 'data.db'}"


def doors(given: object, **settings: object) -> tuple[Door, AsyncDoor]:
    door = Door(Target(given=given, **{"name": "docs", **settings}))  # type: ignore[arg-type]
    return door, AsyncDoor(door)


def test_one_url_serves_both_forms_in_any_event_loop(url: str) -> None:
    door, async_door = doors(url)
    assert door.existing() is None
    door.ready(2).upsert(["a"], [[1.0, 0.0]])

    async def write(name: str) -> list[str]:
        collection = await async_door.ready(2)
        await collection.upsert([name], [[0.0, 1.0]])
        assert await async_door.existing() is collection
        return (await collection.get(["a", "b", "c"])).ids

    assert asyncio.run(write("b")) == ["a", "b"]
    assert asyncio.run(write("c")) == ["a", "b", "c"]
    assert door.ready(2).get(["a", "b", "c"]).ids == ["a", "b", "c"]
    async_door.close_all()
    with pytest.raises(Closed):
        door.existing()
    with pytest.raises(Closed):
        asyncio.run(async_door.existing())


def test_async_alone_shares_what_is_in_memory_between_loops() -> None:
    door, async_door = doors("memory:")

    async def main() -> int:
        collection = await async_door.ready(1)
        await collection.upsert([str(await collection.count())], [[1.0]])
        return await collection.count()

    assert [asyncio.run(main()) for _ in range(3)] == [1, 2, 3]
    assert door.ready(1).count() == 3
    async_door.close_all()


def test_reading_creates_nothing() -> None:
    with vstore.connect("memory:") as store:
        door, async_door = doors(store)
        assert door.existing() is None
        assert asyncio.run(async_door.existing()) is None
        assert store.list_collections() == []


def test_how_a_collection_is_made() -> None:
    with vstore.connect("memory:") as store:
        made, _ = doors(store, metric="l2", index=vstore.Flat())
        info = made.ready(7).info
        assert (info.name, info.dimension, info.metric, info.index) == ("docs", 7, "l2", vstore.Flat())
        lexical, _ = doors(store, name="texts", embedder=embed.lexical(64))
        assert lexical.ready(64).info.embedder == embed.lexical(64).name
        with pytest.raises(Mismatch, match="metric l2, not cosine"):
            doors(store, metric="cosine")[0].existing()
        with pytest.raises(Mismatch, match="dimension 7, not 8"):
            asyncio.run(doors(store, dimension=8)[1].existing())
        assert doors(store)[0].ready(9).info.dimension == 7


def test_what_is_given_is_not_closed() -> None:
    with vstore.connect("memory:") as store:
        collection = store.create_collection("docs", dimension=1)
        for given in (store, collection):
            door, async_door = doors(given)
            assert door.ready(1).name == "docs"
            asyncio.run(async_door.ready(1))
            async_door.close_all()
            assert collection.count() == 0


def test_the_async_form_of_a_sync_collection_is_closed_with_its_store() -> None:
    store = vstore.connect("memory:")
    collection = store.create_collection("docs", dimension=2)
    _, async_door = doors(collection)

    async def main() -> None:
        async_form = await async_door.ready(2)
        await async_form.upsert(["a"], [[1.0, 0.0]], ["text"], [{"k": 1}])
        hits = await async_form.query([1.0, 0.0], where={"k": 1})
        assert hits == collection.query([1.0, 0.0])
        with pytest.raises(InvalidInput, match="memory: upsert on 'docs'"):
            await async_form.upsert(["a"], [[1.0]])
        store.close()
        with pytest.raises(Closed):
            await async_form.count()

    asyncio.run(main())


def test_an_async_store_serves_async_calls_only() -> None:
    async def main() -> None:
        async with vstore.aio.connect("memory:") as store:
            door, async_door = doors(store)
            collection = await async_door.ready(1)
            assert await store.list_collections() == ["docs"]
            with pytest.raises(Unsupported, match="async store only"):
                door.existing()
            _, of_collection = doors(collection)
            assert await of_collection.existing() is collection
            await async_door.close()
            assert await collection.count() == 0

    asyncio.run(main())


def test_a_sync_and_an_async_store_side_by_side(tmp_path: Path) -> None:
    url = f"qdrant:{tmp_path}"

    async def main(store: vstore.Store) -> None:
        async with vstore.aio.connect(url) as async_store:
            door, async_door = doors(store, given_async=async_store)
            assert (await async_door.ready(1)).capabilities == async_store.capabilities
            assert door.existing() is not None

    with vstore.connect(url) as store:
        asyncio.run(main(store))


def test_a_collection_that_is_dropped_is_made_again_in_both_forms(tmp_path: Path) -> None:
    door, async_door = doors(f"chroma:{tmp_path}")

    async def main() -> None:
        await (await async_door.ready(1)).upsert(["a"], [[1.0]])
        found = await asyncio.to_thread(door.existing)
        assert found is not None
        await async_door.drop()
        assert await asyncio.to_thread(door.existing) is None
        assert await async_door.existing() is None
        await asyncio.to_thread(lambda: door.ready(2).upsert(["b"], [[1.0, 0.0]]))
        assert await (await async_door.ready(2)).count() == 1
        await asyncio.to_thread(door.drop)
        assert await async_door.existing() is None
        await async_door.close()

    asyncio.run(main())


def test_a_collection_that_was_given_is_not_dropped() -> None:
    with vstore.connect("memory:") as store:
        door, async_door = doors(store.create_collection("docs", dimension=1))
        with pytest.raises(InvalidInput, match="given"):
            door.drop()
        with pytest.raises(InvalidInput, match="given"):
            asyncio.run(async_door.drop())


def test_many_threads_and_tasks_open_it_once(tmp_path: Path) -> None:
    door, async_door = doors(f"chroma:{tmp_path}")
    found: list[object] = []
    threads = [Thread(target=lambda: found.append(door.ready(1))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1

    async def main() -> None:
        opened = await asyncio.gather(*(async_door.ready(1) for _ in range(8)))
        assert len(set(map(id, opened))) == 1
        await async_door.close()

    asyncio.run(main())


def test_closing_from_sync_code_inside_the_loop_is_refused(tmp_path: Path) -> None:
    _, async_door = doors(f"chroma:{tmp_path}")

    async def main() -> None:
        await async_door.ready(1)
        with pytest.raises(InvalidInput, match=r"Await aclose\(\)"):
            async_door.close_all()
        await async_door.close()

    asyncio.run(main())


def test_what_no_door_takes() -> None:
    with pytest.raises(InvalidInput, match="a URL, a store or a collection"):
        doors(5)
    with vstore.connect("memory:") as store:
        with pytest.raises(InvalidInput, match="beside a sync one"):
            doors("memory:", given_async=store)
        with pytest.raises(InvalidInput, match="options are for a URL"):
            doors(store, options={"a": 1})
    with pytest.raises(InvalidInput, match="nosuch"):
        doors("memory:", options={"nosuch": 1})[0].existing()
