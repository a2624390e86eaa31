"""``vstore query``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from vstore import RRF, Hit, Hits, connect
from vstore.cli.conditions import read_filter
from vstore.cli.output import console, plain, problems
from vstore.cli.question import read_embedders, read_question
from vstore.core.settings import store_url
from vstore.transfer.opening import check_there
from vstore.transfer.unmatched import check_matched

__all__ = ["run"]


def run(
    url: str,
    name: str,
    text: str | None,
    *,
    where: str | None,
    k: int,
    exact: bool,
    spec: str | None,
    fields: Sequence[str],
    sparse: str | None,
    as_json: bool,
    timeout: float,
) -> None:
    """Asks one question and prints the hits, as a table or as JSON. The lists of several fields are fused by RRF."""
    condition = read_filter(where)
    url = store_url(url)
    check_there(url)
    with connect(url, timeout=timeout) as store:
        info = store.get_collection(name).info
        question = read_question(info, text, sparse, fields)
        collection = store.get_collection(name, embedder=read_embedders(store, info, question, spec))
        fuse = RRF() if len(question) > 1 else None
        hits = collection.query(question, fuse=fuse, k=k, where=condition, exact=exact)
        note = check_matched(collection, condition) if condition is not None and not len(hits) else ""
    if note:
        problems.print(plain(note), soft_wrap=True)
    if as_json:
        console.print_json(json.dumps([_as_data(hit) for hit in hits], default=str, ensure_ascii=False))
    else:
        console.print(_table(hits))


def _as_data(hit: Hit) -> dict[str, Any]:
    return {name: getattr(hit, name) for name in ("id", "distance", "score", "document", "metadata")}


def _table(hits: Hits) -> Table:
    table = Table(title=f"{len(hits)} hits, the nearest first", title_justify="left")
    table.add_column("score", justify="right")
    table.add_column("id", overflow="fold")
    table.add_column("document", ratio=3, overflow="fold")
    table.add_column("metadata", ratio=1, overflow="fold")
    for hit in hits:
        metadata = ", ".join(f"{key}: {value}" for key, value in sorted((hit.metadata or {}).items()))
        table.add_row(f"{hit.score:.4f}", plain(hit.id), plain(hit.document or ""), plain(metadata))
    return table
