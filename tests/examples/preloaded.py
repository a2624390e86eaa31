"""The wrong way: what preloading imports has connected, in the master, and every worker inherits the store."""

import os
from pathlib import Path

import gunicorn_app

import vstore

store = vstore.connect(os.environ["VSTORE_URL"])
docs = gunicorn_app._collection = store.get_collection(os.environ["VSTORE_COLLECTION"])
app = gunicorn_app.app


def reload_seen(_: object) -> None:
    """In the master, whenever it is told to reload: what its own store answers."""
    ids = [hit.id for hit in docs.query(vector=[1.0] + [0.0] * 15, k=1)]
    Path(os.environ["MASTER_SAYS"]).write_text(f"{docs.count()} {ids}")
