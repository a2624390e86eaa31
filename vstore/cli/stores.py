"""``vstore stores``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from threading import Thread
from time import monotonic
from typing import Final

import typer
from rich.table import Table

from vstore import VStoreError, connect
from vstore.bounds import check_timeout
from vstore.cli.output import EXIT_FAILED, console, plain
from vstore.core.settings import FILE, NamedStore, named_stores
from vstore.regular import shown
from vstore.spi.urls import StoreURL
from vstore.transfer.opening import check_there

__all__ = ["run"]

_IMPORTS: Final = 10.0  # seconds that clients may take to be imported
_STYLE: Final = {"answers": "green", "is there": "green"}


@dataclass(slots=True)
class _Row:
    """One store, without anything secret.

    Attributes:
        name: Its name.
        scheme: Of its URL; empty where that cannot be read.
        place: Host, port and database, or the path.
        source: The file that names it.
        state: ``answers``, ``is there`` of a database that is not opened, or ``fails``.
        seconds: How long the answer took, or None.
        error: Why it fails, or empty.
    """

    name: str
    scheme: str
    place: str
    source: str
    state: str = "fails"
    seconds: float | None = None
    error: str = ""


def run(*, as_json: bool, timeout: float) -> None:
    """Print the stores that are named, as a table or as JSON; exit with 1 unless all answer."""
    timeout = check_timeout(timeout)
    named = named_stores()
    rows = [_Row(name, "", "", shown(store.file)) for name, store in sorted(named.items())]
    threads = [Thread(target=_ask, args=(row, named[row.name], timeout), daemon=True) for row in rows]
    for thread in threads:
        thread.start()
    deadline = monotonic() + 3 * timeout + _IMPORTS  # each request is bounded: this is for what a client does besides
    for place, thread in enumerate(threads):
        thread.join(max(0.0, deadline - monotonic()))
        if thread.is_alive():
            rows[place] = replace(rows[place], state="fails", error=f"no answer within {timeout:g} s")
    if as_json:
        console.print_json(json.dumps([asdict(row) for row in rows], ensure_ascii=False))
    elif rows:
        console.print(_table(rows))
    else:
        console.print(f"No {FILE} names a store: not here, not above, and none of the user's.", soft_wrap=True)
    if any(row.state == "fails" for row in rows):
        raise typer.Exit(EXIT_FAILED)


def _ask(row: _Row, store: NamedStore, timeout: float) -> None:
    try:
        text = store.url()
        url = StoreURL.parse(text)
        row.scheme, row.place = url.scheme, _place(url)
        if url.path is not None:
            check_there(text)
            row.state = "is there"
            return
        started = monotonic()
        with connect(text, timeout=timeout) as opened:
            opened.ping()
        row.state, row.seconds = "answers", round(monotonic() - started, 3)
    except VStoreError as error:
        row.error = str(error)


def _place(url: StoreURL) -> str:
    if url.path is not None:
        return shown(url.path)
    return (
        (url.host or url.params.get("host", ""))
        + (f":{url.port}" if url.port else "")
        + (f"/{url.database}" if url.database else "")
    )


def _table(rows: list[_Row]) -> Table:
    table = Table(title="Stores", title_justify="left")
    for heading in ("name", "scheme", "place", "state", "named in"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        style = _STYLE.get(row.state, "red")
        told = f"[{style}]{row.state}[/]" + (f": {plain(row.error)}" if row.error else "")
        table.add_row(row.name, row.scheme, plain(row.place), told, plain(row.source))
    return table
