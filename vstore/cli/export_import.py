"""``vstore export`` and ``vstore import``: copies from and to files."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated

import typer

from vstore.cli.options import (
    COLUMNS,
    AllOption,
    CollectionsOption,
    DimensionOption,
    DryRunOption,
    IfExistsOption,
    JsonOption,
    MaxErrorsOption,
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
from vstore.transfer.files.vector_columns import VectorColumn
from vstore.transfer.options import IfExists
from vstore.transfer.report import VerifyMode

__all__ = ["export", "import_"]

EncodingOption = Annotated[
    Encoding | None, typer.Option(help="The encoding, where the name of the path does not say it.")
]


def export(
    url: StoreArgument,
    path: Annotated[str, typer.Argument(metavar="PATH", help="A new directory; or FILE.parquet, .arrow or .jsonl.")],
    collection: CollectionsOption = [],  # noqa: B006 (typer copies it)
    everything: AllOption = False,
    name: NameOption = None,
    where: WhereOption = None,
    encoding: EncodingOption = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace an earlier export. By default the command refuses.")
    ] = False,
    dry_run: DryRunOption = False,
    report: ReportOption = None,
    as_json: JsonOption = False,
    timeout: TimeoutOption = 30.0,
    rename: RenameOption = [],  # noqa: B006
    name_map: NameMapOption = None,
    dimension: DimensionOption = None,
    verify: VerifyOption = VerifyMode.FULL,
    sample: SampleOption = 1000,
    workers: WorkersOption = 1,
    retries: RetriesOption = 8,
    state: StateOption = None,
    restart: RestartOption = False,
) -> None:
    """Writes collections to files with a manifest that describes them, and compares them with the store.

    Either --collection or --all is needed. Each of several collections gets a directory of its own below PATH.
    A directory holds Parquet, unless --encoding names another.
    After an interruption the same command resumes. Exit codes are those of copy.
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
    dry_run: DryRunOption = False,
    if_exists: IfExistsOption = None,
    allow: Annotated[
        list[str],
        typer.Option(metavar="LOSS,…", help=f"Accept losses: those that copy knows, and {', '.join(ALLOWABLE)}."),
    ] = [],  # noqa: B006
    report: ReportOption = None,
    as_json: JsonOption = False,
    timeout: TimeoutOption = 30.0,
    id_column: Annotated[
        str, typer.Option("--id", metavar="COLUMN", help="The column of the ids.", rich_help_panel=COLUMNS)
    ] = "id",
    vector: Annotated[
        str, typer.Option(metavar="COLUMN", help="The column of the vectors.", rich_help_panel=COLUMNS)
    ] = "vector",
    document: Annotated[
        str, typer.Option(metavar="COLUMN", help="The column of the documents.", rich_help_panel=COLUMNS)
    ] = "document",
    metadata_object: Annotated[
        str,
        typer.Option(
            metavar="COLUMN",
            help="A column of structs or JSON objects, whose keys become metadata.",
            rich_help_panel=COLUMNS,
        ),
    ] = "metadata",
    metadata: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN,…",
            help="Columns that become metadata. By default all that are left.",
            rich_help_panel=COLUMNS,
        ),
    ] = None,
    field: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=COLUMN:KIND",
            help="A named field and the column of its vectors. KIND is cosine, l2, dot or sparse. May be repeated.",
            rich_help_panel=COLUMNS,
        ),
    ] = [],  # noqa: B006
    metric: Annotated[
        Metric | None,
        typer.Option(help="The metric of the vectors; needed for foreign files.", rich_help_panel=COLUMNS),
    ] = None,
    index: Annotated[
        str | None,
        typer.Option(
            metavar="INDEX",
            help="The target's index: hnsw (the default), flat, ivfflat, ivfpq or diskann.",
            rich_help_panel=COLUMNS,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The name of the embedder that made the vectors, to be stored.",
            rich_help_panel=COLUMNS,
        ),
    ] = None,
    verify: VerifyOption = VerifyMode.FULL,
    sample: SampleOption = 1000,
    workers: WorkersOption = 1,
    retries: RetriesOption = 8,
    max_errors: MaxErrorsOption = 0,
    rejected_file: RejectedFileOption = None,
    state: StateOption = None,
    restart: RestartOption = False,
) -> None:
    """Reads files into a collection, and compares the two record by record.

    Files that vstore wrote are compared with their manifest before anything is written, and need no options.
    In foreign files every record is checked, and options say what the columns are.
    After an interruption the same command resumes. Exit codes are those of copy.
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
            tuple(map(VectorColumn.parse, field)),
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
