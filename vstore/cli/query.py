"""``vstore query``."""

from __future__ import annotations

import json
from typing import Any

from rich.table import Table

from vstore import Embedder, Hit, Hits, connect
from vstore.cli.conditions import read_filter
from vstore.cli.output import console, plain, problems
from vstore.core.settings import store_url
from vstore.embed.specs import from_spec, opens_by_name
from vstore.errors import InvalidInput
from vstore.transfer.opening import check_there
from vstore.transfer.unmatched import check_matched

__all__ = ["run"]


def run(
    url: str,
    name: str,
    text: str,
    *,
    where: str | None,
    k: int,
    exact: bool,
    spec: str | None,
    as_json: bool,
    timeout: float,
) -> None:
    """Asks one question and prints the hits, as a table or as JSON."""
    condition = read_filter(where)
    url = store_url(url)
    check_there(url)
    with connect(url, timeout=timeout) as store:
        info = store.get_collection(name).info
        embedder = from_spec(spec) if spec is not None else _by_name(name, info.embedder)
        collection = store.get_collection(name, embedder=embedder)
        hits = collection.query(text=text, k=k, where=condition, exact=exact)
        note = check_matched(collection, condition) if condition is not None and not len(hits) else ""
    if note:
        problems.print(plain(note), soft_wrap=True)
    if as_json:
        console.print_json(json.dumps([_as_data(hit) for hit in hits], default=str, ensure_ascii=False))
    else:
        console.print(_table(hits))


def _by_name(name: str, stored: str | None) -> Embedder:
    """The embedder of a collection, by the name that is stored with it."""
    if stored is None or not opens_by_name(stored):
        raise InvalidInput(
            "a text needs an embedder" + (f", and {name!r} was made with {stored!r}" if stored else ""),
            hint=f"Pass --embed '{stored or 'lexical:512'}', or what names the same model.",
        )
    try:
        return from_spec(stored)
    except InvalidInput as error:  # such as a model whose dimension and endpoint are not known here
        raise InvalidInput(
            f"{name!r} was made with {stored!r}, which does not say all: {error.message}",
            hint="Pass --embed with the options it was made with.",
        ) from error


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
