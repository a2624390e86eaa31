"""``vstore export`` and ``vstore import``: copies from and to files."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated

import typer

from vstore.cli.options import (
    AllOption,
    CollectionsOption,
    DimensionOption,
    DryRunOption,
    IfExistsOption,
    JsonOption,
    NameMapOption,
    NameOption,
    RejectedFileOption,
    RenameOption,
    ReportOption,
    RestartOption,
    RetriesOption,
    SampleOption,
    StateOption,
    StoreArgument,
    TimeoutOption,
    VerifyOption,
    WhereOption,
    WorkersOption,
)
from vstore.cli.output import console, errors_told, plain
from vstore.cli.transfers import emit_event
from vstore.errors import InvalidInput
from vstore.indexing import Index, Metric, index_from_dict
from vstore.transfer.files import ALLOWABLE, Columns, Encoding, FileLocation, Foreign
from vstore.transfer.options import IfExists
from vstore.transfer.report import VerifyMode

__all__ = ["export", "import_"]

EncodingOption = Annotated[Encoding | None, typer.Option(help="How records are kept, if the name does not say.")]


def export(
    url: StoreArgument,
    path: Annotated[str, typer.Argument(metavar="PATH", help="A new directory; or FILE.parquet, .arrow or .jsonl.")],
    collection: CollectionsOption = [],  # noqa: B006 (typer copies it)
    everything: AllOption = False,
    name: NameOption = None,
    where: WhereOption = None,
    encoding: EncodingOption = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace an earlier export.")] = False,
    dry_run: DryRunOption = False,
    workers: WorkersOption = 1,
    retries: RetriesOption = 8,
    verify: VerifyOption = VerifyMode.FULL,
    sample: SampleOption = 1000,
    state: StateOption = None,
    restart: RestartOption = False,
    report: ReportOption = None,
    as_json: JsonOption = False,
    timeout: TimeoutOption = 30.0,
    rename: RenameOption = [],  # noqa: B006
    name_map: NameMapOption = None,
    dimension: DimensionOption = None,
) -> None:
    """Writes collections to files with a manifest that describes them, and compares them with the store.

    A directory holds Parquet by default; with --all, or several collections, each is in a directory of its own.
    Killed or interrupted, the same command resumes. Exit codes are those of copy.
    Example: vstore export chroma:./data ./dump --collection docs
    """
    from vstore.cli.copy import run
    from vstore.cli.naming import Naming

    with errors_told():
        run(
            url,
            FileLocation(path, encoding=encoding, several=everything or len(collection) > 1),
            collections=collection,
            everything=everything,
            name=name,
            where=where,
            transform=None,
            mapping=None,
            allow=[],
            dry=dry_run,
            report=report,
            as_json=as_json,
            timeout=timeout,
            options={
                "if_exists": IfExists.REPLACE if replace else None,
                "workers": workers,
                "retries": retries,
                "verify": verify,
                "sample": sample,
                "state": state,
                "restart": restart,
            },
            naming=Naming(rename, name_map),
            dimension=dimension,
        )


def import_(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A directory or file: Parquet, Arrow, JSON lines, NPY.")],
    url: StoreArgument,
    name: NameOption = None,
    where: WhereOption = None,
    encoding: EncodingOption = None,
    metric: Annotated[
        Metric | None, typer.Option(help="How nearness is measured, if the files do not say.", show_choices=True)
    ] = None,
    id_column: Annotated[str, typer.Option("--id", metavar="COLUMN", help="The column of the ids.")] = "id",
    vector: Annotated[str, typer.Option(metavar="COLUMN", help="The column of the vectors.")] = "vector",
    document: Annotated[str, typer.Option(metavar="COLUMN", help="The column of the documents.")] = "document",
    metadata_object: Annotated[
        str, typer.Option(metavar="COLUMN", help="A column of structs or JSON objects, whose keys become metadata.")
    ] = "metadata",
    metadata: Annotated[
        str | None,
        typer.Option(metavar="COLUMN,…", help="Columns that become metadata; by default all that are left."),
    ] = None,
    index: Annotated[
        str | None,
        typer.Option(metavar="INDEX", help="hnsw, flat, ivfflat, ivfpq or diskann, if the files do not say."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Name of the embedder that made the vectors, to be kept.")] = None,
    if_exists: IfExistsOption = None,
    allow: Annotated[
        list[str],
        typer.Option(metavar="LOSS,…", help=f"Accept a loss by name: one of copy, or {', '.join(ALLOWABLE)}."),
    ] = [],  # noqa: B006
    dry_run: DryRunOption = False,
    workers: WorkersOption = 1,
    retries: RetriesOption = 8,
    max_errors: Annotated[int, typer.Option(min=0, help="Records the target may reject before the run ends.")] = 0,
    rejected_file: RejectedFileOption = None,
    verify: VerifyOption = VerifyMode.FULL,
    sample: SampleOption = 1000,
    state: StateOption = None,
    restart: RestartOption = False,
    report: ReportOption = None,
    as_json: JsonOption = False,
    timeout: TimeoutOption = 30.0,
) -> None:
    """Reads files into a collection, and compares the two record by record.

    Files that vstore wrote are checked against their manifest, before anything is written.
    In foreign files every record is checked, and options name the columns.
    Killed or interrupted, the same command resumes. Exit codes are those of copy.
    Example: vstore import theirs.parquet pgvector:./pg --id key --vector embedding --metric cosine
    """
    from vstore.cli.copy import run

    names = [part for group in allow for part in group.split(",") if part]

    def opened() -> FileLocation:
        columns = Columns(
            id_column,
            vector,
            document,
            metadata_object,
            None if metadata is None else tuple(part for part in metadata.split(",") if part),
            frozenset(names) & ALLOWABLE.keys(),
        )
        told = {"metric": metric, "embedder": model} | ({} if index is None else {"index": _index(index)})
        place = FileLocation(path, encoding=encoding, foreign=Foreign(columns=columns, **told))  # type: ignore[arg-type]
        _check(place, as_json=as_json or not console.is_terminal)
        return place

    with errors_told():
        run(
            opened,
            url,
            collections=[],
            everything=True,
            name=name,
            where=where,
            transform=None,
            mapping=None,
            allow=[part for part in names if part not in ALLOWABLE],
            dry=dry_run,
            report=report,
            as_json=as_json,
            timeout=timeout,
            options={
                "if_exists": if_exists,
                "workers": workers,
                "retries": retries,
                "max_errors": max_errors,
                "rejected_file": rejected_file,
                "verify": verify,
                "sample": sample,
                "state": state,
                "restart": restart,
            },
        )


def _check(place: FileLocation, *, as_json: bool) -> None:
    """Opens everything, which reads it once, and prints what is converted or left out."""
    with nullcontext() if as_json else console.status("Checking every file"):
        found = [place.source(name) for name in place.names()]
    for source in found:
        if as_json:
            emit_event("source", identity=source.identity, records=source.rows, notes=source.notes)
        else:
            for note in source.notes:
                console.print(f"  {plain(note)}", soft_wrap=True)


def _index(kind: str) -> Index:
    try:
        return index_from_dict({"kind": kind})
    except KeyError:
        raise InvalidInput(
            f"{kind!r} is no kind of index", hint="Pass hnsw, flat, ivfflat, ivfpq or diskann."
        ) from None
