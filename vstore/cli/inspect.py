"""``vstore inspect``."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from rich.table import Table

from vstore import Collection, InvalidInput, Mismatch, RecordMapping, Store, Support, connect
from vstore.cli.mappings import read_mapping
from vstore.cli.output import console, plain
from vstore.core.settings import store_url
from vstore.fields import Dense, Field, field_to_dict
from vstore.indexing import index_to_dict
from vstore.transfer.opening import check_there

__all__ = ["run", "run_collection"]

_STYLE = {Support.NATIVE: "green", Support.EMULATED: "yellow", Support.NO: "red"}


def run(url: str, *, as_json: bool, timeout: float) -> None:
    """Prints what the store is, as tables or as JSON."""
    url = store_url(url)
    check_there(url)
    with connect(url, timeout=timeout) as store:
        if as_json:
            console.print_json(json.dumps(_as_data(store), default=str))
            return
        known = store.capabilities
        client = f", client {known.client_version}" if known.client_version else ""
        console.print(f"[bold]{known.backend}[/] {known.server_version} ({known.mode}{client})\n")
        console.print(_collections(store))
        if (fields := _fields(store)).row_count:
            console.print(fields)
        if foreign := _foreign(store):
            console.print(f"Not created by vstore; vstore inspect URL NAME tells more: {plain(', '.join(foreign))}\n")
        console.print(_features(store))


def run_collection(url: str, name: str, mapping: str | None, *, as_json: bool, timeout: float) -> None:
    """Prints what one collection is; if vstore did not create it, the mapping to read it with, or that is proposed."""
    chosen = read_mapping(mapping)
    url = store_url(url)
    check_there(url)
    with connect(url, timeout=timeout) as store:
        if chosen is None and store.has_collection(name):
            _print_collection(_collection_data(store.get_collection(name)), as_json=as_json)
            return
        if not isinstance(chosen, RecordMapping):
            chosen = store.propose_mapping(name, None if chosen == "auto" else chosen)
        try:
            found = store.get_collection(name, mapping=chosen)
        except (InvalidInput, Mismatch) as error:  # such as a metric that only the application knows
            if mapping is not None:
                raise
            _print_collection({"name": name, "problem": str(error), "mapping": chosen.to_dict()}, as_json=as_json)
            return
        _print_collection(_collection_data(found), as_json=as_json)


def _print_collection(data: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        console.print_json(json.dumps(data, default=str))
        return
    mapping, omitted = data.pop("mapping", None), data.pop("omitted", [])
    table = Table(show_header=False, box=None)
    fields = data.pop("fields", {})
    for key, value in data.items():
        table.add_row(f"[bold]{key}[/]", plain(f"{value:,}" if type(value) is int else str(value)))
    for name, field in fields.items():
        settings = ", ".join(f"{key}: {value}" for key, value in field.items() if value is not None)
        table.add_row(f"[bold]field {name}[/]", plain(settings))
    console.print(table)
    if mapping is not None:
        console.print("\nvstore did not create it. The mapping to read it with, for [bold]--mapping[/]:\n")
        console.print_json(json.dumps(mapping))
    if omitted:
        console.print("\nIt does not bring, as far as the schema and the first records tell:")
    for one in omitted:
        console.print(f"  [yellow]{one['kind']}[/] {plain(one['text'])}", soft_wrap=True)


def _collection_data(collection: Collection) -> dict[str, Any]:
    info = collection.info
    data: dict[str, Any] = {
        "name": info.name,
        "records": collection.count(),
        "dimension": info.dimension,
        "metric": info.metric.value,
        "index": index_to_dict(info.index),
        "metadata": info.metadata,
        "embedder": info.embedder,
        "fields": {name: field_to_dict(field) for name, field in info.fields.items()},
    }
    if collection.mapping is None:
        return data
    left = [{**asdict(one), "kind": str(one.kind)} for one in info.omitted]
    return {**data, "omitted": left, "mapping": collection.mapping.to_dict()}


def _as_data(store: Store) -> dict[str, object]:
    collections = [_collection_data(store.get_collection(name)) for name in store.list_collections()]
    return {"capabilities": asdict(store.capabilities), "collections": collections, "foreign": _foreign(store)}


def _foreign(store: Store) -> list[str]:
    """The collections that vstore did not create, where it can read them."""
    return store.list_foreign_collections() if store.capabilities.mapping else []


def _collections(store: Store) -> Table:
    table = Table(title="Collections", title_justify="left")
    table.add_column("name", overflow="fold")
    table.add_column("records", justify="right")
    table.add_column("dimension", justify="right")
    table.add_column("metric")
    table.add_column("index", overflow="fold")
    for name in store.list_collections():
        collection = store.get_collection(name)
        info = collection.info
        unnamed = (str(info.dimension), info.metric.value, plain(str(info.index))) if info.dimension else ("", "", "")
        table.add_row(plain(name), f"{collection.count():,}", *unnamed)
    if not table.row_count:
        table.caption = "none that vstore created"
    return table


def _fields(store: Store) -> Table:
    table = Table(title="Named fields", title_justify="left")
    for column in ("collection", "field", "vectors"):
        table.add_column(column, overflow="fold")
    for name in store.list_collections():
        for each, field in store.get_collection(name).info.fields.items():
            table.add_row(plain(name), each, plain(_shape(field)))
    return table


def _shape(field: Field) -> str:
    return f"{field.dimension}, {field.metric.value}, {field.index}" if isinstance(field, Dense) else "sparse"


def _features(store: Store) -> Table:
    table = Table(title="Capabilities", title_justify="left")
    table.add_column("feature")
    table.add_column("support")
    table.add_column("cost, reason or caveat", overflow="fold")
    for name, feature in store.capabilities.features():
        style = _STYLE[feature.support]
        table.add_row(name, f"[{style}]{feature.support.name}[/]", plain(feature.note))
    for name, value in asdict(store.capabilities.limits).items():
        table.add_row(name, f"{value:,}", "limit")
    return table
