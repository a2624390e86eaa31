"""The commands and their options; each one's work is in a module of its own, loaded when it runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vstore import Metric, __version__
from vstore.cli.copy_verify import copy, verify
from vstore.cli.export_import import export, import_
from vstore.cli.options import (
    RUNNING,
    Embedded,
    EmbedderOption,
    MappingOption,
    PrintJsonOption,
    RejectedFileOption,
    RenamedOptions,
    ReportOption,
    RestartOption,
    RetriesOption,
    StoreArgument,
    TimeoutOption,
    WhereOption,
    path,
)
from vstore.cli.output import console, errors_told
from vstore.core.settings import split_location

__all__ = ["app"]

app = typer.Typer(
    help="One exact protocol over Chroma, Milvus, Qdrant and PostgreSQL with pgvector.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


class Form(StrEnum):
    """Which form of the library ``conform`` tests."""

    SYNC = "sync"
    ASYNC = "async"
    BOTH = "both"


def _version(wanted: bool) -> None:
    if wanted:
        console.print(f"vstore {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[  # typer calls _version with it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def demo(
    first: Annotated[
        Embedded | None,
        typer.Option("--from", help="The first of two databases to visit. By default all four are visited."),
    ] = None,
    second: Annotated[Embedded | None, typer.Option("--to", help="The second of two databases to visit.")] = None,
    directory: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            parser=path,
            help="Keep the databases in this new directory. By default they are temporary.",
        ),
    ] = None,
) -> None:
    """Tours four databases without server or network, in about half a minute.

    Writes 1,797 handwritten digits into an embedded Chroma and asks a filtered question.
    Then copies everything to Qdrant, from there to Milvus and on to PostgreSQL with pgvector.
    At each stop it checks that nothing is lost and asks the same question.
    Example: vstore demo --from qdrant --to pgvector
    """
    from vstore.cli.demo import run

    with errors_told():
        run(directory, first, second)


@app.command()
def inspect(
    url: StoreArgument,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="A collection, also a foreign one. By default the whole store."),
    ] = None,
    as_json: PrintJsonOption = False,
    mapping: MappingOption = None,
    timeout: TimeoutOption = 30.0,
) -> None:
    """Prints what a store is: version, collections with their counts, and what it can do; or what one collection is.

    For a foreign collection it proposes the mapping to read it with.
    Save what --json prints to a file, change it where needed, and pass the file as --mapping.
    Example: vstore inspect chroma:./data
    """
    from vstore.cli.inspect import run, run_collection

    url, inner = split_location(url)
    if name is not None and inner is not None:
        raise typer.BadParameter("the location names a collection already", param_hint="NAME")
    name = name or inner
    if name is None and mapping is not None:
        raise typer.BadParameter("it is how to read one collection: name that behind URL", param_hint="--mapping")
    with errors_told():
        if name is None:
            run(url, as_json=as_json, timeout=timeout)
        else:
            run_collection(url, name, mapping, as_json=as_json, timeout=timeout)


@app.command()
def stores(
    as_json: PrintJsonOption = False,
    timeout: Annotated[float, typer.Option(help="Seconds that a server may take.")] = 5.0,
) -> None:
    """Lists the stores that vstore.toml of the project and of the user names, and whether each answers.

    It asks all servers at once. It opens no database on this machine, and says whether it is there.
    Exit codes: 0 all answer, 1 any does not, 2 a vstore.toml cannot be read.
    Example: vstore stores
    """
    from vstore.cli.stores import run

    with errors_told():
        run(as_json=as_json, timeout=timeout)


app.command(cls=RenamedOptions)(copy)
app.command()(verify)
app.command()(export)
app.command("import", cls=RenamedOptions)(import_)


@app.command()
def query(
    url: StoreArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The collection.")],
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="What to look for.")] = None,
    where: WhereOption = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Hits, at most.")] = 10,
    exact: Annotated[
        bool, typer.Option("--exact", help="Compare with every record. By default the index answers, approximately.")
    ] = False,
    embed: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC", help="The embedder of the text. By default the one whose name the collection has."
        ),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A named field to ask; 'vector' is the one without a name. May be repeated: RRF fuses the lists.",
        ),
    ] = None,
    sparse: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="A sparse vector to ask with, from index to value: '{\"17\": 0.5}'."),
    ] = None,
    as_json: PrintJsonOption = False,
    timeout: TimeoutOption = 30.0,
) -> None:
    """Finds the records of a collection nearest to a text, to a sparse vector, or to both.

    Example: vstore query chroma:./data docs "rain in Beijing" --where '{"year": {"$gte": 2020}}' -k 5
    """
    from vstore.cli.query import run

    with errors_told():
        run(
            url,
            name,
            text,
            where=where,
            k=k,
            exact=exact,
            spec=embed,
            fields=field or (),
            sparse=sparse,
            as_json=as_json,
            timeout=timeout,
        )


@app.command(cls=RenamedOptions)
def load(
    file: Annotated[Path, typer.Argument(metavar="FILE", parser=path, help="Rows: .jsonl, .csv or .parquet.")],
    url: StoreArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The collection. It is created if there is none.")],
    text: Annotated[
        str, typer.Option(metavar="COLUMN", help="The column of the texts, which become documents and vectors.")
    ],
    record_id: Annotated[str, typer.Option("--id", metavar="COLUMN", help="The column of the ids.")],
    embed: EmbedderOption,
    metadata: Annotated[
        str,
        typer.Option(
            metavar="COLUMN,…",
            help="Columns that become metadata, with types where wanted: title,year:int. Types are str, int, float, "
            "bool and datetime. * stands for all that are not named, '' for none.",
        ),
    ] = "*",
    field: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=COLUMN",
            help="A named field and the column of its vectors. NAME=COLUMN:l2 names the metric. May be repeated.",
        ),
    ] = None,
    metric: Annotated[Metric, typer.Option(help="The metric of a new collection.")] = Metric.COSINE,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Rows embedded and written at once.", rich_help_panel=RUNNING)
    ] = 256,
    max_errors: Annotated[
        int, typer.Option(min=0, help="Rows that may be rejected. One more ends the run.", rich_help_panel=RUNNING)
    ] = 100,
    rejected_file: RejectedFileOption = None,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            parser=path,
            help="Folder of the checkpoint and of the vectors. By default FILE.vstore beside the file.",
            rich_help_panel=RUNNING,
        ),
    ] = None,
    restart: RestartOption = False,
    as_json: PrintJsonOption = False,
    timeout: TimeoutOption = 30.0,
    retries: RetriesOption = 5,
) -> None:
    """Loads texts from a file into a collection, embedding them.

    After an interruption the same command resumes, and embeds nothing twice.
    Exit codes: 0 all rows are loaded, 1 failed, 2 wrong use, 4 incomplete and resumable, 5 rows were rejected.
    Example: vstore load docs.jsonl chroma:./data docs --text body --id id --metadata title,year --embed lexical:512
    """
    from vstore.cli.load import run

    with errors_told():
        run(
            file,
            url,
            name,
            text=text,
            record_id=record_id,
            metadata=metadata,
            vectors=field or (),
            spec=embed,
            metric=metric,
            batch_size=batch_size,
            max_errors=max_errors,
            rejected_file=rejected_file,
            state=state,
            restart=restart,
            as_json=as_json,
            timeout=timeout,
            retries=retries,
        )


@app.command()
def conform(
    url: StoreArgument,
    filters: Annotated[int, typer.Option(min=1, help="Filters to generate.")] = 2000,
    sequences: Annotated[int, typer.Option(min=1, help="Sequences of operations to generate.")] = 200,
    mode: Annotated[Form, typer.Option(help="Which form of the library to test.")] = Form.BOTH,
    report: ReportOption = None,
) -> None:
    """Runs the conformance suite on a store and reports pass or fail for each clause.

    It creates collections named vstore_conf_… and deletes them again. It touches nothing else.
    Exit codes: 0 every clause holds, 1 any fails.
    Example: vstore conform chroma:./data
    """
    from vstore.cli.conform import run

    with errors_told():
        run(url, filters=filters, sequences=sequences, mode=mode.value, report=report)
