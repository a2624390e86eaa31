"""open-webui's own client of PostgreSQL, and a Chroma as its other client makes it.

``open_client`` runs ``retrieval/vector/dbs/pgvector.py`` of the installed package as it is, with the modules of its own
that it takes from there. Only what the rest of the application would say is put in place of it: settings, which
``open_webui.config`` reads from the environment with the whole application's dependencies, and three small helpers.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Final
from uuid import UUID, uuid5

import chromadb
import numpy as np

__all__ = ["COLLECTIONS", "DIMENSION", "fill_chroma", "open_client"]

DIMENSION: Final = 48
_NAMESPACE: Final = UUID(int=15)
_HOSTILE: Final = ("a.b", "a-b", "A_b", "0.1", "x" * 300, "document_chunk", "select-1--drop.table", "vstore-own", "100")
COLLECTIONS: Final = {
    **{f"file-{uuid5(_NAMESPACE, str(place))}": 30 + place for place in range(5)},
    **{str(uuid5(_NAMESPACE, f"kb {place}")): 12 for place in range(3)},
    "user-memory-" + str(uuid5(_NAMESPACE, "user")): 4,
    "knowledge-bases": 3,
    **dict.fromkeys(_HOSTILE, 5),
    "file-" + str(uuid5(_NAMESPACE, "empty")): 0,
}
"""How many chunks each collection has: 20 of them, one empty, with names that only Chroma's own rule makes alike."""


def fill_chroma(path: Path) -> dict[str, dict[str, tuple[list[float], str, dict[str, Any]]]]:
    """Write the collections as ``retrieval/vector/dbs/chroma.py`` does, and return vector, text and metadata by id."""
    random = np.random.default_rng(20)
    client = chromadb.PersistentClient(str(path))
    made: dict[str, dict[str, tuple[list[float], str, dict[str, Any]]]] = {}
    for name, number in COLLECTIONS.items():
        found = client.get_or_create_collection(name, metadata={"hnsw:space": "cosine"}, embedding_function=None)
        made[name] = {}
        for place in range(number):
            vector = random.normal(size=DIMENSION).astype(np.float32).tolist()
            metadata = {
                "name": f'{name[:20]}\'s "file".pdf',
                "file_id": name,
                "page": place,
                "score": 0.25 * place,
                "headings": "['a', 'b']",  # its process_metadata makes texts of lists
            }
            text = (
                f"chunk {place} of {name[:20]}: naïve \U0001f600 \\ 'quoted' \"twice\"; drop table document_chunk; --"
            )
            made[name][str(uuid5(_NAMESPACE, f"{name} {place}"))] = vector, text, metadata
        if number:
            ids = list(made[name])
            vectors, texts, metadatas = zip(*made[name].values(), strict=True)
            found.upsert(ids=ids, embeddings=list(vectors), documents=list(texts), metadatas=list(metadatas))
    client.clear_system_cache()
    return made


def open_client(url: str) -> Any:
    """Open its client of PostgreSQL, which makes its table and indexes where they are missing."""
    spec = PathFinder.find_spec("open_webui")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    [root] = spec.submodule_search_locations
    for name in (
        "open_webui",
        "open_webui.retrieval",
        "open_webui.retrieval.vector",
        "open_webui.retrieval.vector.dbs",
    ):
        package = ModuleType(name)  # whose __init__ would import the application
        package.__path__ = [str(Path(root, *name.split(".")[1:]))]
        sys.modules[name] = package
    defaults = {
        "PGVECTOR_DB_URL": url.replace("postgresql://", "postgresql+psycopg2://"),
        "PGVECTOR_CREATE_EXTENSION": True,
        "PGVECTOR_HNSW_EF_CONSTRUCTION": 64,
        "PGVECTOR_HNSW_M": 16,
        "PGVECTOR_INDEX_METHOD": "",
        "PGVECTOR_INITIALIZE_MAX_VECTOR_LENGTH": 1536,
        "PGVECTOR_ITERATIVE_SCAN": "relaxed_order",
        "PGVECTOR_IVFFLAT_LISTS": 100,
        "PGVECTOR_PGCRYPTO": False,
        "PGVECTOR_PGCRYPTO_KEY": None,
        "PGVECTOR_POOL_MAX_OVERFLOW": 0,
        "PGVECTOR_POOL_RECYCLE": 3600,
        "PGVECTOR_POOL_SIZE": None,
        "PGVECTOR_POOL_TIMEOUT": 30,
        "PGVECTOR_USE_HALFVEC": False,
    }
    _stand_in("open_webui.config", **defaults)
    _stand_in("open_webui.env", RAG_METADATA_MAX_VALUE_CHARS=None)
    _stand_in("open_webui.internal.db", ScopedSession=None, enable_iam_token_auth=lambda _: None)
    _stand_in("open_webui.utils.json_codec", JSONCodec=SimpleNamespace(dumps=json.dumps, loads=json.loads))
    _stand_in("open_webui.utils.misc", sanitize_text_for_db=lambda value: value)
    sys.modules.pop("open_webui.retrieval.vector.dbs.pgvector", None)  # which opens its database as it is imported
    return import_module("open_webui.retrieval.vector.dbs.pgvector").PgvectorClient()


def _stand_in(name: str, **values: object) -> None:
    module = ModuleType(name)
    vars(module).update(values)
    sys.modules[name] = module
