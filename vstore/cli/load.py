"""``vstore load``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Final

import typer

from vstore import Collection, Embedder, Metric, Store, connect
from vstore.cli.output import console, plain, problems, progress
from vstore.cli.transfers import sigterm_as_interrupt
from vstore.core.settings import store_url
from vstore.embed import cached, from_spec
from vstore.errors import InvalidInput, Mismatch, NotFound, VStoreError
from vstore.fields import Field
from vstore.keys import check_name
from vstore.load import Fields, LoadCheckpoint, Report, embed_first, find_fields, load
from vstore.load.rows import check_file, count_rows
from vstore.regular import check_regular, shown
from vstore.spi.urls import StoreURL
from vstore.transfer.opening import store_identity

__all__ = ["EXIT_INCOMPLETE", "EXIT_REJECTED", "run"]

EXIT_INCOMPLETE: Final = 4
EXIT_REJECTED: Final = 5


def run(
    path: Path,
    url: str,
    name: str,
    *,
    text: str,
    record_id: str,
    metadata: str,
    vectors: Sequence[str],
    spec: str,
    metric: Metric,
    batch_size: int,
    max_errors: int,
    rejected_file: Path | None,
    state: Path | None,
    restart: bool,
    as_json: bool,
    timeout: float,
    retries: int,
) -> None:
    """Loads a file and prints how it went; exits with 4 if it broke off, with 5 if rows were rejected."""
    fields = Fields.parse(id=record_id, text=text, metadata=metadata, vectors=vectors)
    if not path.exists():
        raise InvalidInput(f"there is no file {shown(path)}")
    check_regular(path)
    if rejected_file is not None and rejected_file.resolve() == path.resolve():
        raise InvalidInput("--rejected names the file that is loaded", hint="Name another.")
    check_name(name)
    check_file(path, fields.columns, everything=fields.everything)
    url = store_url(url)
    target, inner = store_identity(StoreURL.parse(url)), from_spec(spec)
    folder = state or path.with_name(f"{path.name}.vstore")
    if state is None and folder.is_symlink():
        raise InvalidInput(f"{shown(folder)} is a link", hint="Remove it, or name a folder with --state.")
    key = sha256(f"{target}\n{name}".encode()).hexdigest()[:16]
    rejected_file = rejected_file or folder / f"{key}.rejected.jsonl"
    with ExitStack() as stack:
        stack.enter_context(sigterm_as_interrupt())
        store = stack.enter_context(connect(url, timeout=timeout, retries=retries))
        if not store.capabilities.persistent:
            raise InvalidInput("this store forgets everything when the command ends", hint="Name one on disk.")
        checkpoint = LoadCheckpoint(folder / f"{key}.sqlite", restart=restart)
        stack.callback(checkpoint.close)
        embedder = cached(inner, folder / "vectors.sqlite")
        stack.callback(embedder.close)
        new = not checkpoint.counts()[0]
        bar = progress(problems)
        task = bar.add_task(f"  loading {plain(path.name)}", total=count_rows(path))
        with nullcontext() if as_json else bar:
            named: Mapping[str, Field] = {}
            if new and store.has_collection(name):
                named = store.get_collection(name).info.fields
            elif new:
                named = find_fields(path, fields.vectors, metric)
                with _ending_early(checkpoint, rejected_file):
                    embed_first(path, fields, embedder, batch_size=batch_size)
            collection = _open(store, name, embedder, metric, named, new=new)
            with _ending_early(checkpoint, rejected_file):
                report = load(
                    path,
                    collection,
                    fields,
                    checkpoint,
                    target=target,
                    batch_size=batch_size,
                    max_errors=max_errors,
                    on_progress=lambda done: bar.update(task, completed=done),
                )
        letters = shown(rejected_file) if checkpoint.write_rejected(rejected_file) else ""
    _tell(report, letters, as_json=as_json)
    if report.rejected:
        raise typer.Exit(EXIT_REJECTED)


@contextmanager
def _ending_early(checkpoint: LoadCheckpoint, rejected_file: Path) -> Iterator[None]:
    """Reports what ends a load early, and how to resume."""
    try:
        yield
    except (InvalidInput, Mismatch):
        checkpoint.write_rejected(rejected_file)
        raise
    except (KeyboardInterrupt, VStoreError) as error:
        checkpoint.write_rejected(rejected_file)
        _tell_incomplete(error, checkpoint.counts()[0])
        raise typer.Exit(EXIT_INCOMPLETE) from error


def _open(
    store: Store, name: str, embedder: Embedder, metric: Metric, named: Mapping[str, Field], *, new: bool
) -> Collection:
    if new:
        return store.create_collection(name, embedder=embedder, metric=metric, fields=named or None, exist_ok=True)
    try:
        return store.get_collection(name, embedder=embedder)
    except NotFound as error:
        raise Mismatch(
            f"rows were loaded into {name!r}, which is gone", hint="Load from the beginning with --restart."
        ) from error


def _tell(report: Report, letters: str, *, as_json: bool) -> None:
    if as_json:
        console.print_json(json.dumps({**asdict(report), "rejected_file": letters}))
        return
    before = f", after {report.resumed:,} rows of earlier runs" if report.resumed else ""
    console.print(f"[bold green]{report.loaded:,} rows are loaded[/]{before}.", soft_wrap=True)
    if report.rejected:
        problems.print(
            f"[bold red]{report.rejected:,} rows were rejected[/]; they are in {plain(letters)}", soft_wrap=True
        )
    if report.stopped:
        problems.print("These are too many. Pass a higher --max-errors to resume from here.", soft_wrap=True)


def _tell_incomplete(error: BaseException, loaded: int) -> None:
    said = f"{type(error).__name__}: {error}" if isinstance(error, VStoreError) else "interrupted"
    problems.print(f"[bold red]Not complete:[/] {plain(said)}", soft_wrap=True)
    again = "Run the same command again"
    if isinstance(error, VStoreError) and not error.retryable:
        again = "When this is put right, run the command again"
    problems.print(f"{loaded:,} rows are loaded. {again} to resume.")
