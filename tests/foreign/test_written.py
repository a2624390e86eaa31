"""What ``vstore.copy(layout=…)`` has written the packages read, query, filter, delete and add to; and so does vstore.

The versions are those of ``requirements.txt``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import vstore
from tests.foreign.readers import NAME, READERS
from tests.foreign.test_packages import APART, SET
from tests.foreign.writers import (
    DIMENSION,
    IDS,
    METADATAS,
    TEXTS,
    VECTORS,
    WRITERS,
    haystack_qdrant_dense,
    langchain_milvus_dynamic,
    mem0_qdrant_without_bm25,
)
from vstore import F
from vstore.transfer import CollectionSource, LayoutTarget, Status, copy

pytestmark = pytest.mark.nightly
# of two forms the one that vstore writes
SAME = {
    "langchain_milvus": langchain_milvus_dynamic,
    "haystack_qdrant": haystack_qdrant_dense,
    "mem0_qdrant": mem0_qdrant_without_bm25,
}
DEFAULT_METRICS = {"langchain_chroma": "l2", "llamaindex_chroma": "l2", "mem0_chroma": "l2"}
RUN = [name for name in READERS if SET in ("", APART.get(name, "requirements"))]


@contextmanager
def _source(metric: str) -> Iterator[CollectionSource]:
    with vstore.connect("memory:") as store:
        docs = store.create_collection("docs", dimension=DIMENSION, metric=metric, index="flat")
        docs.add(IDS, VECTORS, TEXTS, METADATAS)
        yield CollectionSource(store, docs)


@contextmanager
def _place(name: str, folder: Path, postgres: str) -> Iterator[tuple[Any, Any]]:
    """Where a package reads, and what ``vstore.connect`` takes."""
    match name.partition("_")[2]:
        case "chroma":
            import chromadb

            client = chromadb.PersistentClient(str(folder / "chroma"))
            yield client, {"client": client}
        case "qdrant":
            from qdrant_client import QdrantClient

            local = QdrantClient(":memory:")
            yield local, {"client": local}
            local.close()
        case "milvus":
            folder.mkdir(exist_ok=True)
            yield str(folder / "milvus.db"), {"url": f"milvus:{folder}/milvus.db"}
        case _:
            yield postgres, {"url": postgres}


@pytest.mark.parametrize("name", RUN)
def test_a_package_reads_what_a_copy_wrote(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    layout = name.partition("_")[0]
    postgres = request.getfixturevalue("postgres") if "pgvector" in name else ""
    with _source("cosine") as source, _place(name, tmp_path, postgres) as (place, connect):
        with vstore.connect(**connect) as store:
            target = LayoutTarget(store, NAME, layout, source.info)
            report = copy(source, target, allow=["vector-length", "index-change"])
            assert report.status is Status.VERIFIED, report.as_dict()
        reader = READERS[name](place)
        found = reader.search(VECTORS[1], 1)
        assert found[0][0] == TEXTS[1]
        assert {key: found[0][1][key] for key in METADATAS[1]} == METADATAS[1]
        assert {text for text, _ in reader.search(VECTORS[0], 10)} == set(TEXTS)
        assert reader.where("food") == [TEXTS[1]]
        reader.delete(IDS[0])
        assert {text for text, _ in reader.search(VECTORS[0], 10)} == set(TEXTS[1:])
        reader.add(IDS[0], TEXTS[0], METADATAS[0])
        with vstore.connect(**connect) as store:
            again = store.get_collection(NAME, mapping=layout)
            assert again.count() == len(TEXTS)
            assert again.get([IDS[1]])[0].document == TEXTS[1]
            again.delete(where=F("topic") == "food")
        left = {text for text, _ in READERS[name](place).search(VECTORS[0], 10)}
        assert TEXTS[1] not in left
        assert TEXTS[2] in left


@pytest.mark.parametrize("name", [name for name in RUN if name == "llamaindex_pgvector"])
def test_nodes_keep_their_relations_and_templates_on_the_way(name: str, postgres: str, tmp_path: Path) -> None:
    """An application of LlamaIndex's moves from Chroma to PostgreSQL: its nodes are what they were."""
    import chromadb
    from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
    from llama_index.core.vector_stores.types import VectorStoreQuery
    from llama_index.vector_stores.chroma import ChromaVectorStore

    client = chromadb.PersistentClient(str(tmp_path))
    nodes = [
        TextNode(
            id_=record,
            text=text,
            metadata=metadata,
            embedding=vector,
            text_template="{content}",
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id="the document")},
        )
        for record, text, metadata, vector in zip(IDS, TEXTS, METADATAS, VECTORS, strict=True)
    ]
    ChromaVectorStore(chroma_collection=client.create_collection(NAME)).add(nodes)
    with vstore.connect(client=client) as theirs, vstore.connect(postgres) as store:
        source = CollectionSource(theirs, theirs.get_collection(NAME, mapping="llamaindex"))
        target = LayoutTarget(store, NAME, "llamaindex", source.info)
        report = copy(source, target, allow=["index-change", "collection-settings"])
        assert report.status is Status.VERIFIED, report.as_dict()
    reader = READERS[name](postgres)
    assert {text for text, _ in reader.search(VECTORS[0], 10)} == set(TEXTS)
    query = VectorStoreQuery(query_embedding=VECTORS[1], similarity_top_k=1)
    (found,) = reader.store.query(query).nodes
    assert found.model_copy(update={"embedding": VECTORS[1]}) == nodes[1]
    reader.store.delete("the document")
    assert reader.search(VECTORS[0], 10) == []


@pytest.mark.parametrize("name", RUN)
def test_a_collection_is_made_as_the_package_makes_it(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    layout = name.partition("_")[0]
    postgres = request.getfixturevalue("postgres") if "pgvector" in name else ""
    written = SAME.get(name, WRITERS[name])(tmp_path, postgres)
    with vstore.connect(**written.connect) as store:
        theirs = _shown(store, written.name)
    written.close()
    if "pgvector" in name:
        import psycopg

        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute("drop schema public cascade; create schema public; create extension vector")
    with (
        _source(DEFAULT_METRICS.get(name, "cosine")) as source,
        _place(name, tmp_path / "ours", postgres) as (_, connect),
        vstore.connect(**connect) as store,
    ):
        target = LayoutTarget(store, written.name, layout, source.info)
        copy(source, target, allow=["vector-length", "index-change"]).check()
        assert _shown(store, written.name) == theirs


def _shown(store: vstore.Store, name: str) -> Any:
    """What a database says of a collection, and the keys of its first row, but for what no two have alike."""
    native = store.native
    match store.capabilities.backend:
        case "chroma":
            found = native.get_collection(name, embedding_function=None)
            row = found.get(limit=1, include=["metadatas", "documents"])
            settings = {k: v for k, v in dict(found.configuration).items() if k != "embedding_function"}
            return found.metadata, settings, sorted((row["metadatas"] or [{}])[0]), row["documents"]
        case "qdrant":
            told = native.get_collection(name)
            points, _ = native.scroll(name, limit=10, with_vectors=True)
            keys = {key for point in points for key in point.payload}
            return told.config.params.vectors, sorted(keys), type(points[0].vector)
        case "milvus":
            told = native.describe_collection(name)
            fields = [(f["name"], f["type"], f["params"], f.get("is_primary")) for f in told["fields"]]
            first = native.query(name, limit=1, output_fields=["*"])[0]
            return sorted(fields, key=str), told["enable_dynamic_field"], told["description"], sorted(first)
        case _:
            with native.connection() as connection:
                return [connection.execute(one).fetchall() for one in _CATALOGUE]


_PUBLIC = "(select oid from pg_namespace where nspname = 'public')"
_CATALOGUE = [
    f"""select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
               pg_get_expr(d.adbin, d.adrelid)
          from pg_attribute a join pg_class c on c.oid = a.attrelid
          left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
         where c.relnamespace = {_PUBLIC} and c.relkind = 'r' and a.attnum > 0 order by c.relname, a.attnum""",
    "select indexdef from pg_indexes where schemaname = 'public' order by 1",
    f"select conname, pg_get_constraintdef(oid) from pg_constraint where connamespace = {_PUBLIC} order by 1, 2",
]
