"""``vstore demo``: one question, several databases, the same answer."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np
import typer
from rich.padding import Padding
from rich.progress import TaskID
from rich.table import Table
from rich.text import Text

from vstore import HNSW, Collection, F, Filter, Hits, InvalidInput, Record, Records, Store, Unsupported, connect
from vstore.cli.drawing import draw
from vstore.cli.options import Embedded
from vstore.cli.output import EXIT_FAILED, console, problems, progress
from vstore.data import load_digits
from vstore.filters import to_dict
from vstore.regular import shown
from vstore.transfer import CollectionSource, CollectionTarget, Verification, copy
from vstore.transfer import Progress as Told

__all__ = ["run"]

K: Final = 4
_FILE: Final = {Embedded.MILVUS: "milvus.db"}  # the others keep a directory
_SHOWN: Final = {"copy": "  copying", "verify": "  comparing"}


def run(directory: Path | None, first: Embedded | None, second: Embedded | None) -> None:
    """Takes the tour; exits with 1 if a record is lost or an answer differs."""
    # gRPC, which Milvus speaks, notes on stderr that it survives the fork by which PostgreSQL is started
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    started = perf_counter()
    stops = _stops(first, second)
    digits = load_digits()
    everything = digits.records()
    asked, records = everything[-1], everything[:-1]
    label = int(digits.labels[-1])
    where = (F("label") != label) & (F("ink") >= 4.0)
    with _folder(directory) as folder, ExitStack() as stack:
        urls = [f"{stop}:{folder / (_FILE.get(stop) or stop)}" for stop in stops]
        store = stack.enter_context(_connect(urls[0]))
        _step(1, f"Write {len(records):,} handwritten digits into {_name(store)}")
        here = store.create_collection("digits", dimension=64, metric="l2", index=HNSW(m=16, ef_construction=200))
        _write(here, records)
        _step(2, f"Here is one more {label}. Which digits look most like it, but are something else?")
        _show_question(asked, where)
        answers = [_ask(here, asked, where)]
        before, equal = store, True
        for url in urls[1:]:
            store = stack.enter_context(_connect(url))
            _step(len(answers) + 2, f"Copy everything into {_name(store)}, compare record by record, and ask again")
            here, found = _copy(before, here, store)
            _tell(found)
            equal = equal and found.equal
            before = store
            answers.append(_ask(here, asked, where))
    _conclude(equal, answers)
    console.print(f"{perf_counter() - started:.0f} seconds in all.")
    if directory is not None:
        console.print("The databases are kept. Look at them with:")
        for url in urls:
            console.print(f"  vstore inspect {url}", soft_wrap=True)


def _connect(url: str) -> Store:
    try:
        return connect(url)
    except Unsupported as error:
        if not isinstance(error.__cause__, ImportError):
            raise
        hint = "Install all that it visits with pip install 'vstore-db[demo]'."
        raise Unsupported(f"the demo lacks a database: {error.__cause__}", hint=hint) from error


def _stops(first: Embedded | None, second: Embedded | None) -> list[Embedded]:
    if first is None and second is None:
        return list(Embedded)
    stops = [first or Embedded.CHROMA, second or Embedded.PGVECTOR]
    if stops[0] is stops[1]:
        raise InvalidInput(f"from {stops[0]} to {stops[1]} is no way to go", hint="Name two with --from and --to.")
    return stops


def _conclude(equal: bool, answers: list[Hits]) -> None:
    """Says whether nothing was lost and all answers are the same; raises ``typer.Exit`` if not."""
    before = answers[0]
    same = all(
        before.ids == after.ids and np.allclose(before.distances, after.distances, rtol=1e-5, atol=1e-6)
        for after in answers
    )
    if not (equal and same):
        problems.print("\n[bold red]Something was lost, or the answers differ.[/]")
        raise typer.Exit(EXIT_FAILED)
    apart = max(float(np.abs(before.distances - after.distances).max()) for after in answers)
    agree = f"distances agree to {apart:.0e}" if apart else "the distances are equal"
    both = "both" if len(answers) == 2 else f"all {len(answers)}"
    console.print(f"\n[bold green]Nothing was lost, and {both} give the same {K} digits in the same order[/]; {agree}.")


@contextmanager
def _folder(directory: Path | None) -> Iterator[Path]:
    if directory is None:
        # a short path: PostgreSQL's socket stands below it, and a socket's path has at most 107 bytes
        with tempfile.TemporaryDirectory(prefix="vstore-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)
        return
    try:
        directory.mkdir(parents=True)
    except FileExistsError as error:
        raise InvalidInput(
            f"{shown(directory)} exists already", hint="Name a directory that does not exist yet."
        ) from error
    except OSError as error:
        raise InvalidInput(f"{shown(directory)} cannot be made: {error.strerror}", hint="Name another.") from error
    try:
        yield directory.resolve()
    except Unsupported:  # a database is not installed: once it is, the same command shall go through
        shutil.rmtree(directory)
        raise


def _name(store: Store) -> str:
    known = store.capabilities
    numbered = known.server_version[:1].isdigit()
    return f"{known.backend.capitalize()} {known.server_version}" if numbered else known.server_version


def _step(number: int, text: str) -> None:
    console.print(f"\n[bold cyan]{number}[/] [bold]{text}[/]", soft_wrap=True)


def _write(collection: Collection, records: Records, batch: int = 200) -> None:
    with progress() as bar:
        task = bar.add_task("  writing", total=len(records))
        for start in range(0, len(records), batch):
            part = records[start : start + batch]
            collection.add(part.ids, part.vectors, part.documents, part.metadatas)
            bar.advance(task, len(part))


def _show_question(asked: Record, where: Filter) -> None:
    console.print(Padding(draw(asked.vector, colour=_colour()), (1, 2)))
    console.print(
        f"  query(vector=…, k={K}, exact=True, where={json.dumps(to_dict(where))})", style="dim", soft_wrap=True
    )


def _ask(collection: Collection, asked: Record, where: Filter) -> Hits:
    """Asks, and shows the digits found side by side with what is known of them."""
    hits = collection.query(asked.vector, k=K, where=where, exact=True, include=["vectors", "documents", "metadatas"])
    table = Table.grid(padding=(0, 2))
    table.add_row(*(draw(hit.vector, colour=_colour()) for hit in hits))
    table.add_row(*(_caption(hit.id, hit.distance, hit.metadata or {}) for hit in hits))
    console.print(Padding(table, (1, 2)))
    return hits


def _caption(record_id: str, distance: float, metadata: dict[str, object]) -> Text:
    return Text.assemble(
        (f"a {metadata['label']}", "bold"), f"\n{record_id}\ndistance {distance:.3f}\nink {metadata['ink']}"
    )


def _copy(source: Store, collection: Collection, target: Store) -> tuple[Collection, Verification]:
    with progress() as bar:
        tasks: dict[str, TaskID] = {}

        def show(told: Told) -> None:
            if told.phase in _SHOWN:
                if told.phase not in tasks:
                    tasks[told.phase] = bar.add_task(_SHOWN[told.phase], total=told.total)
                bar.update(tasks[told.phase], completed=told.rows)

        left, right = CollectionSource(source, collection), CollectionTarget(target, collection.name)
        report = copy(left, right, queries=0, on_progress=show)
    if report.verification is None:
        report.check()
        raise AssertionError("a copy that was not compared has failed")
    return target.get_collection(collection.name), report.verification


def _tell(found: Verification) -> None:
    if found.equal:
        exact = found.exactness if found.bitwise else "within 1e-6"
        console.print(
            f"  {found.compared:,} records on both sides; vectors equal {exact}, documents and typed metadata equal.",
            soft_wrap=True,
        )
        return
    for line in found.lines():
        console.print(f"  {line}", soft_wrap=True)


def _colour() -> bool:
    return console.color_system is not None
