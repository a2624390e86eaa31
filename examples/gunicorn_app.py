"""A search over a collection as a web service: each worker of a preforking server connects for itself.

    gunicorn --chdir examples --workers 3 --threads 4 --preload gunicorn_app:app

``VSTORE_URL`` names a store on a server, such as postgresql://user:password@host/db, and ``VSTORE_COLLECTION`` the
collection. Ask with ``GET /?vector=0.1,0.2,0.3&k=5``. It needs no framework; in Flask or Django the functions are the
same.
"""

from __future__ import annotations

import atexit
import json
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

import vstore

_lock = threading.Lock()
_collection: vstore.Collection | None = None


def collection() -> vstore.Collection:
    """The collection, connected in this worker when it is first asked for.

    Nothing connects when this module is imported: with --preload that happens in the master, and a store answers
    in the process that connected, and nowhere else.
    """
    global _collection
    with _lock:
        if _collection is None:
            store = vstore.connect(os.environ["VSTORE_URL"], timeout=10, retries=2)
            atexit.register(store.close)
            _collection = store.get_collection(os.environ["VSTORE_COLLECTION"])
        return _collection


def app(environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]) -> Iterable[bytes]:
    """The WSGI application."""
    try:
        asked = parse_qs(environ["QUERY_STRING"], strict_parsing=True)
        vector = [float(number) for number in asked["vector"][0].split(",")]
        k = int(asked.get("k", ["10"])[0])
    except (KeyError, ValueError):
        return _answer(start_response, "400 Bad Request", {"error": "ask with ?vector=0.1,0.2,0.3&k=5"})
    try:
        hits = collection().query(vector=vector, k=k)
    except vstore.InvalidInput as error:
        return _answer(start_response, "400 Bad Request", {"error": str(error)})
    except vstore.VStoreError as error:
        return _answer(start_response, "503 Service Unavailable", {"error": str(error), "retryable": error.retryable})
    found = [{"id": hit.id, "score": hit.score, "document": hit.document} for hit in hits]
    return _answer(start_response, "200 OK", {"hits": found, "worker": os.getpid()})


def _answer(start_response: Callable[[str, list[tuple[str, str]]], object], status: str, data: object) -> list[bytes]:
    body = json.dumps(data).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
