"""Async: 64 queries at once through vstore.aio and through each database's own async client, and what the loop waits.

``python benchmarks/concurrency.py [--rows 10000] [--dimension 384] [--queries 640] [--rounds 3] [--only pgvector]``
prints for each server the seconds a query, and the 99th percentile of how late a task comes that wants to run each
millisecond: what is computed on the loop makes it late. "By hand" is the raw client again, with the guarantees of
vstore. Qdrant's engine and embedded databases have no async client.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np
from data import queries, workload
from report import Row, add_out, report

import vstore
from vstore import HNSW, F, Records

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for the tests' own servers

AT_ONCE = 64
BAR = 0.95
K = 10
YEAR = 2010

Ask: TypeAlias = Callable[[np.ndarray], Awaitable[Any]]


@dataclass(frozen=True)
class Side:
    """One client of a loaded server: its query, plain and filtered."""

    query: Ask
    filtered: Ask


@asynccontextmanager
async def pgvector(url: str, records: Records) -> AsyncIterator[Side]:
    """A pool of eight connections, which is vstore's default too, with prepared statements."""
    from pgvector import Vector
    from pgvector.psycopg import register_vector_async
    from psycopg_pool import AsyncConnectionPool
    from raw_pgvector import RawPgvector

    assert records.vectors is not None
    raw = RawPgvector(url, records.vectors.shape[1], hnsw=True)
    raw.create("raw")
    raw.ingest(records)
    raw.close()

    async def configure(connection: Any) -> None:
        await register_vector_async(connection)
        await connection.execute("set hnsw.ef_search = 100")
        await connection.execute("set hnsw.iterative_scan = strict_order")

    async with AsyncConnectionPool(
        url, min_size=8, max_size=8, configure=configure, kwargs={"autocommit": True}
    ) as pool:

        async def select(vector: np.ndarray, where: str = "", *values: object) -> Any:
            statement = f"select id, document, metadata, embedding <-> %b as d from raw {where} order by d limit %s"
            async with pool.connection() as connection, connection.cursor(binary=True) as cursor:
                await cursor.execute(statement, (Vector(vector), *values, K), prepare=True)
                return await cursor.fetchall()

        yield Side(select, lambda vector: select(vector, "where (metadata->'year')::int >= %s", YEAR))


@asynccontextmanager
async def chroma(url: str, records: Records) -> AsyncIterator[Side]:
    """``AsyncHttpClient``."""
    import chromadb

    address = url.removeprefix("chroma://").split(":")
    client = await chromadb.AsyncHttpClient(host=address[0], port=int(address[1]))
    made = await client.create_collection(
        "raw",
        embedding_function=None,
        configuration={"hnsw": {"space": "l2", "max_neighbors": 16, "ef_construction": 100, "ef_search": 100}},
    )
    for start in range(0, len(records), 2_000):
        part = records[start : start + 2_000]
        await made.add(part.ids, part.vectors, part.metadatas, part.documents)
    wanted = ["documents", "metadatas", "distances"]

    async def ask(vector: np.ndarray, **where: Any) -> Any:
        return await made.query(query_embeddings=vector[None], n_results=K, include=wanted, **where)

    yield Side(ask, lambda vector: ask(vector, where={"year": {"$gte": YEAR}}))


@asynccontextmanager
async def milvus(url: str, records: Records) -> AsyncIterator[Side]:
    """``AsyncMilvusClient``."""
    from pymilvus import AsyncMilvusClient
    from raw_milvus import RawMilvus

    assert records.vectors is not None
    address = url.replace("milvus", "http", 1)
    raw = RawMilvus(address, records.vectors.shape[1], hnsw=True)
    raw.create("raw")
    raw.ingest(records)
    raw.close()
    client = AsyncMilvusClient(address)

    async def ask(vector: np.ndarray, where: str = "") -> Any:
        settings = {"params": {"ef": 100}}
        wanted = ["document", "metadata"]
        found = await client.search("raw", [vector], where, K, output_fields=wanted, search_params=settings)
        return list(found[0])

    yield Side(ask, lambda vector: ask(vector, f'metadata["year"] >= {YEAR}'))
    await client.close()


@asynccontextmanager
async def pgvector_by_hand(url: str, records: Records) -> AsyncIterator[Side]:
    """The floor: psycopg with the guarantees of vstore."""
    from exact_pgvector_async import AsyncExactPgvector

    assert records.vectors is not None
    async with AsyncExactPgvector(url, records.vectors.shape[1]) as client:
        client.floor.create("hand")
        client.floor.ingest(records)
        yield Side(lambda vector: client.query(vector, K), lambda vector: client.query_filtered(vector, K))


@asynccontextmanager
async def chroma_by_hand(url: str, records: Records) -> AsyncIterator[Side]:
    """The floor: chromadb with the guarantees of vstore."""
    from exact_chroma_async import AsyncExactChroma

    assert records.vectors is not None
    host, port = url.removeprefix("chroma://").split(":")
    client = AsyncExactChroma(host, int(port), records.vectors.shape[1])
    await client.create("hand")
    await client.ingest(records)
    yield Side(lambda vector: client.query(vector, K), lambda vector: client.query_filtered(vector, K))


@asynccontextmanager
async def milvus_by_hand(url: str, records: Records) -> AsyncIterator[Side]:
    """The floor: pymilvus with the guarantees of vstore."""
    from exact_milvus_async import AsyncExactMilvus

    assert records.vectors is not None
    async with AsyncExactMilvus(url.replace("milvus", "http", 1), records.vectors.shape[1]) as client:
        await client.create("hand")
        client.floor.ingest(records)
        yield Side(lambda vector: client.query(vector, K), lambda vector: client.query_filtered(vector, K))


Client: TypeAlias = Callable[[str, Records], AbstractAsyncContextManager[Side]]
RAW: dict[str, Client] = {"pgvector": pgvector, "chroma": chroma, "milvus": milvus}
# Where a backend has none here, nobody wrote its floor.
BY_HAND: dict[str, Client] = {"pgvector": pgvector_by_hand, "chroma": chroma_by_hand, "milvus": milvus_by_hand}


def served(backend: str, stack: ExitStack, folder: Path) -> str:
    """The URL of a new server."""
    from tests.milvus_server import milvus_server
    from tests.servers import chroma_server, postgres_server

    match backend:
        case "pgvector":
            return stack.enter_context(postgres_server())
        case "chroma":
            return stack.enter_context(chroma_server(folder))
        case _:
            return stack.enter_context(milvus_server())


async def measure(ask: Ask, asked: np.ndarray) -> tuple[float, float]:
    """Seconds a query of ``AT_ONCE`` tasks, and the 99th percentile of a ticker's lateness beside them, in seconds."""
    late: list[float] = []
    over = asyncio.Event()

    async def tick() -> None:
        while not over.is_set():
            started = perf_counter()
            await asyncio.sleep(0.001)
            late.append(perf_counter() - started - 0.001)

    async def work(vectors: np.ndarray) -> None:
        for vector in vectors:
            await ask(vector)

    ticker = asyncio.create_task(tick())
    started = perf_counter()
    await asyncio.gather(*(work(asked[place::AT_ONCE]) for place in range(AT_ONCE)))
    took = perf_counter() - started
    over.set()
    await ticker
    return took / len(asked), float(np.percentile(late, 99))


async def compare(backend: str, url: str, records: Records, asked: np.ndarray, rounds: int, rows: list[Row]) -> None:
    """Measures one server."""
    assert records.vectors is not None
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        sides = {"raw": await enter(RAW[backend](url, records))}
        if backend in BY_HAND:
            sides["hand"] = await enter(BY_HAND[backend](url, records))
        store = await enter(vstore.aio.connect(url))
        docs = await store.create_collection("docs", dimension=records.vectors.shape[1], metric="l2", index=HNSW())
        await docs.add(records.ids, records.vectors, records.documents, records.metadatas)
        where = F("year") >= YEAR
        sides["ours"] = Side(
            lambda vector: docs.query(vector, k=K), lambda vector: docs.query(vector, k=K, where=where)
        )
        for what in ("query", "filtered"):
            asks: dict[str, Ask] = {name: getattr(side, what) for name, side in sides.items()}
            taken: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
            for ask in asks.values():
                await measure(ask, asked[: 2 * AT_ONCE])
            order = list(asks)
            for _ in range(rounds):
                order.append(order.pop(0))
                for name in order:
                    taken[name].append(await measure(asks[name], asked))
            for column, label, bar in (
                (0, f"{what}, {AT_ONCE} at once", BAR),
                (1, f"{what}, the loop is late by", None),
            ):
                found = {name: median(one[column] for one in measured) for name, measured in taken.items()}
                case = f"{backend} server, HNSW"
                rows.append(Row(case, label, found["raw"], found["ours"], bar, found.get("hand")))


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--queries", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=RAW)
    add_out(parser)
    chosen = parser.parse_args()
    records = workload(chosen.rows, chosen.dimension)
    asked = queries(chosen.queries, chosen.dimension)
    rows: list[Row] = []
    for backend in RAW:
        if chosen.only in (None, backend):
            with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="vstore-") as folder:
                url = served(backend, stack, Path(folder))
                asyncio.run(compare(backend, url, records, asked, chosen.rounds, rows))
    title = f"async, {chosen.rows:,} × {chosen.dimension}, {AT_ONCE} queries at once, median of {chosen.rounds} rounds"
    report("concurrency", title, "raw", rows, chosen.out)


if __name__ == "__main__":
    main()
