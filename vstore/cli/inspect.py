"""``vstore inspect``."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich.markup import escape
from rich.table import Table

from vstore import Store, Support, connect
from vstore.cli.output import console
from vstore.types import index_to_dict

__all__ = ["run"]

_STYLE = {Support.NATIVE: "green", Support.EMULATED: "yellow", Support.NO: "red"}


def run(url: str, *, as_json: bool, timeout: float) -> None:
    """Prints what the store is, as tables or as JSON."""
    with connect(url, timeout=timeout) as store:
        if as_json:
            console.print_json(json.dumps(_as_data(store), default=str))
            return
        known = store.capabilities
        client = f", client {known.client_version}" if known.client_version else ""
        console.print(f"[bold]{known.backend}[/] {known.server_version} ({known.mode}{client})\n")
        console.print(_collections(store))
        console.print(_features(store))


def _as_data(store: Store) -> dict[str, object]:
    collections = []
    for name in store.list_collections():
        collection = store.get_collection(name)
        info = collection.info
        collections.append(
            {
                "name": name,
                "records": collection.count(),
                "dimension": info.dimension,
                "metric": info.metric.value,
                "index": index_to_dict(info.index),
                "metadata": info.metadata,
                "embedder": info.embedder,
            }
        )
    return {"capabilities": asdict(store.capabilities), "collections": collections}


def _collections(store: Store) -> Table:
    table = Table(title="Collections", title_justify="left")
    table.add_column("name")
    table.add_column("records", justify="right")
    table.add_column("dimension", justify="right")
    table.add_column("metric")
    table.add_column("index")
    for name in store.list_collections():
        collection = store.get_collection(name)
        info = collection.info
        table.add_row(
            escape(name), f"{collection.count():,}", str(info.dimension), info.metric.value, escape(str(info.index))
        )
    if not table.row_count:
        table.caption = "none that vstore created"
    return table


def _features(store: Store) -> Table:
    table = Table(title="Capabilities", title_justify="left")
    table.add_column("feature")
    table.add_column("support")
    table.add_column("cost, reason or caveat", overflow="fold")
    for name, feature in store.capabilities.features():
        style = _STYLE[feature.support]
        table.add_row(name, f"[{style}]{feature.support.name}[/]", escape(feature.note))
    for name, value in asdict(store.capabilities.limits).items():
        table.add_row(name, f"{value:,}", "limit")
    return table
