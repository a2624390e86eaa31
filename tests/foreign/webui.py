"""open-webui's own clients of its databases, and a Chroma as its client makes it.

``open_client`` runs files of ``retrieval/vector/dbs`` of the installed package as they are, with the modules of its own
that they take from there. Only what the rest of the application would say is put in place of it: settings, which
``open_webui.config`` reads from the environment with the whole application's dependencies, and small helpers.
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

__all__ = ["COLLECTIONS", "DIMENSION", "fill_chroma", "open_client", "shut"]

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


def open_client(kind: str, place: str) -> Any:
    """Open its client of a database, with settings as they are by default.

    Args:
        kind: The file: ``chroma``, ``pgvector``, ``qdrant_multitenancy``, ``qdrant``, ``milvus``,
            ``milvus_multitenancy``.
        place: The URL of the server, or the path, as its settings have it.
    """
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
    _stand_in("open_webui.config", **_settings(place))
    _stand_in("open_webui.env", RAG_METADATA_MAX_VALUE_CHARS=None, ENABLE_DB_MIGRATIONS=True, USE_SLIM=False)
    _stand_in("open_webui.internal.db", ScopedSession=None, enable_iam_token_auth=lambda _: None)
    _stand_in("open_webui.utils.json_codec", JSONCodec=SimpleNamespace(dumps=json.dumps, loads=json.loads))
    _stand_in("open_webui.utils.misc", sanitize_text_for_db=lambda value: value)
    if "fastapi" not in sys.modules:
        _stand_in("fastapi", HTTPException=Exception)
    for name in ("milvus", kind):  # which have their settings from when they were imported
        sys.modules.pop(f"open_webui.retrieval.vector.dbs.{name}", None)
    module = import_module(f"open_webui.retrieval.vector.dbs.{kind}")
    return getattr(module, f"{kind.partition('_')[0].capitalize()}Client")()


def shut(client: Any) -> None:
    """Close what a client of its has opened."""
    match getattr(client, "client", None):
        case None:
            client.session.remove()
            client.session.bind.dispose()
        case opened if hasattr(opened, "clear_system_cache"):
            opened.clear_system_cache()
        case opened:
            opened.close()


def _settings(place: str) -> dict[str, Any]:
    return {
        "CHROMA_CLIENT_AUTH_CREDENTIALS": None,
        "CHROMA_CLIENT_AUTH_PROVIDER": None,
        "CHROMA_DATABASE": "default_database",
        "CHROMA_DATA_PATH": place,
        "CHROMA_HTTP_HEADERS": None,
        "CHROMA_HTTP_HOST": "",
        "CHROMA_HTTP_PORT": 8000,
        "CHROMA_HTTP_SSL": False,
        "CHROMA_TENANT": "default_tenant",
        "MILVUS_COLLECTION_PREFIX": "open_webui",
        "MILVUS_DB": "default",
        "MILVUS_DISKANN_MAX_DEGREE": 56,
        "MILVUS_DISKANN_SEARCH_LIST_SIZE": 100,
        "MILVUS_HNSW_EFCONSTRUCTION": 100,
        "MILVUS_HNSW_M": 16,
        "MILVUS_INDEX_TYPE": "HNSW",
        "MILVUS_IVF_FLAT_NLIST": 128,
        "MILVUS_METRIC_TYPE": "COSINE",
        "MILVUS_SERVER_PEM_PATH": "",
        "MILVUS_TOKEN": None,
        "MILVUS_URI": place,
        "PGVECTOR_DB_URL": place.replace("postgresql://", "postgresql+psycopg2://"),
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
        "QDRANT_API_KEY": None,
        "QDRANT_COLLECTION_PREFIX": "open-webui",
        "QDRANT_GRPC_PORT": 6334,
        "QDRANT_HNSW_M": 16,
        "QDRANT_ON_DISK": False,
        "QDRANT_PREFER_GRPC": False,
        "QDRANT_TIMEOUT": 5,
        "QDRANT_URI": place,
    }


def _stand_in(name: str, **values: object) -> None:
    module = ModuleType(name)
    vars(module).update(values)
    sys.modules[name] = module
