"""The commands and their options; each one's work is in a module of its own, loaded when it runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vstore import Metric, __version__
from vstore.cli.export_import import export, import_
from vstore.cli.options import (
    URL_HELP,
    AllOption,
    AppOption,
    CollectionsOption,
    DimensionOption,
    DryRunOption,
    EmbedCacheOption,
    Embedded,
    EmbedOption,
    IdOption,
    IfExistsOption,
    JsonOption,
    LayoutOption,
    MappingOption,
    NameMapOption,
    NameOption,
    PrintJsonOption,
    QueriesOption,
    RejectedFileOption,
    RenamedOptions,
    RenameOption,
    ReportOption,
    RestartOption,
    RetriesOption,
    SampleOption,
    StateOption,
    StoreArgument,
    TimeoutOption,
    VectorLengthOption,
    VerifyOption,
    WhereOption,
    WithoutTextOption,
    WorkersOption,
    path,
)
from vstore.cli.output import console, errors_told
from vstore.core.settings import split_location
from vstore.transfer.options import EngineName, WithoutText
from vstore.transfer.report import VerifyMode

__all__ = ["app"]

app = typer.Typer(
    help="One exact protocol over several vector databases.",
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
        Embedded | None, typer.Option("--from", help="Where to begin, to visit two databases only.")
    ] = None,
    second: Annotated[Embedded | None, typer.Option("--to", help="Where to go from there.")] = None,
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
    name: Annotated[str | None, typer.Argument(help="A collection, also a foreign one.")] = None,
    as_json: PrintJsonOption = False,
    mapping: MappingOption = None,
    timeout: TimeoutOption = 30.0,
) -> None:
    """Prints what a store is: version, collections with their counts, and what it can do; or what one collection is.

    For a foreign collection it proposes the mapping to read it with, as JSON.
    Save it to a file, change it where needed, and pass the file as --mapping.
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
    timeout: Annotated[float, typer.Option(help="Seconds after which a server is given up.")] = 5.0,
) -> None:
    """Lists the stores that vstore.toml names, of the project and of the user, and whether each answers.

    Servers are asked, all at once. Of a database on this machine it says whether it is there, and opens nothing.
    Exit codes: 0 all answer, 1 any does not, 2 a vstore.toml cannot be read.
    Example: vstore stores
    """
    from vstore.cli.stores import run

    with errors_told():
        run(as_json=as_json, timeout=timeout)


@app.command(cls=RenamedOptions)
def copy(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help=f"Where from. {URL_HELP} Or files: a path.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="Where to.")],
    collection: CollectionsOption = [],  # noqa: B006 (typer copies it)
    everything: AllOption = False,
    name: NameOption = None,
    where: WhereOption = None,
    transform: Annotated[
        str | None,
        typer.Option("--transform", metavar="MODULE:FUNCTION", help="Rewrites each record; None leaves it out."),
    ] = None,
    mapping: MappingOption = None,
    if_exists: IfExistsOption = None,
    allow: Annotated[
        list[str], typer.Option(metavar="LOSS,…", help="Accept a loss by name; --dry-run and the error name it.")
    ] = [],  # noqa: B006
    dry_run: DryRunOption = False,
    workers: WorkersOption = 1,
    engine: Annotated[EngineName, typer.Option(help="Threads of this process, or the workers of a Ray cluster.")] = (
        EngineName.THREADS
    ),
    max_rps: Annotated[float | None, typer.Option(help="Most calls a second.")] = None,
    retries: RetriesOption = 8,
    max_errors: Annotated[int, typer.Option(min=0, help="Records the target may reject before the run ends.")] = 0,
    chunk_rows: Annotated[int | None, typer.Option(min=1, help="Most records written and noted at once.")] = None,
    rejected_file: RejectedFileOption = None,
    verify: VerifyOption = VerifyMode.FULL,
    sample: SampleOption = 1000,
    queries: QueriesOption = 10,
    state: StateOption = None,
    restart: RestartOption = False,
    embed: EmbedOption = None,
    metric: Annotated[
        Metric | None, typer.Option(help="With --embed: of the target; by default what the embedder says, or cosine.")
    ] = None,
    without_text: WithoutTextOption = WithoutText.REFUSE,
    embed_cache: EmbedCacheOption = None,
    report: ReportOption = None,
    as_json: JsonOption = False,
    timeout: TimeoutOption = 30.0,
    rename: RenameOption = [],  # noqa: B006
    name_map: NameMapOption = None,
    dimension: DimensionOption = None,
    layout: LayoutOption = None,
    ids: IdOption = [],  # noqa: B006
    application: AppOption = None,
    vector_length: VectorLengthOption = None,
) -> None:
    """Copies collections from one store to another and compares them, record by record.

    With --all the trouble of one collection does not stop the others, and the report has each.
    Killed or interrupted, the same command resumes.
    Exit codes: 0 copied and verified, 1 failed, 2 usage or refused, 3 different, 4 incomplete and resumable,
    5 records rejected.
    Example: vstore copy chroma:./data qdrant://localhost:6333 --collection docs
    """
    from vstore.cli.copy import run
    from vstore.cli.naming import Naming

    with errors_told():
        run(
            source,
            target,
            collections=collection,
            everything=everything,
            name=name,
            where=where,
            transform=transform,
            mapping=mapping,
            allow=allow,
            embed=embed,
            dry=dry_run,
            report=report,
            as_json=as_json,
            timeout=timeout,
            options={
                "if_exists": if_exists,
                "workers": workers,
                "engine": engine,
                "max_rps": max_rps,
                "retries": retries,
                "max_errors": max_errors,
                "chunk_rows": chunk_rows,
                "rejected_file": rejected_file,
                "verify": verify,
                "sample": sample,
                "queries": queries,
                "state": state,
                "restart": restart,
                "layout": layout,
                "vector_length": vector_length,
                "metric": metric,
                "without_text": without_text,
                "embed_cache": embed_cache,
            },
            naming=Naming(rename, name_map),
            dimension=dimension,
            ids=ids,
            app=application,
        )


@app.command()
def verify(
    left: Annotated[str, typer.Argument(metavar="LEFT", help=f"One store. {URL_HELP}")],
    right: Annotated[str, typer.Argument(metavar="RIGHT", help="The other.")],
    collection: Annotated[str | None, typer.Option(help="Which collection.")] = None,
    name: Annotated[str | None, typer.Option(help="Its name in the other, if it differs.")] = None,
    where: WhereOption = None,
    mapping: MappingOption = None,
    subset: Annotated[bool, typer.Option("--subset", help="The right may hold other records as well.")] = False,
    allow: Annotated[
        list[str], typer.Option(metavar="LOSS,…", help="Accept by name what is not compared, as other-fields.")
    ] = [],  # noqa: B006
    mode: Annotated[VerifyMode, typer.Option("--verify", help="How much to compare.")] = VerifyMode.FULL,
    sample: SampleOption = 1000,
    queries: QueriesOption = 10,
    retries: RetriesOption = 8,
    report: ReportOption = None,
    as_json: JsonOption = False,
    timeout: TimeoutOption = 30.0,
    ids: IdOption = [],  # noqa: B006
) -> None:
    """Compares a collection in two stores: ids both ways, vectors, documents, metadata with their types, and search.

    Exit codes: 0 equal, 1 failed, 2 usage, 3 different.
    Example: vstore verify chroma:./data pgvector:./pg --collection docs
    """
    from vstore.cli.verify import run

    with errors_told():
        run(
            left,
            right,
            collection=collection,
            name=name,
            where=where,
            mapping=mapping,
            subset=subset,
            allow=allow,
            mode=mode,
            sample=sample,
            queries=queries,
            retries=retries,
            report=report,
            as_json=as_json,
            timeout=timeout,
            ids=ids,
        )


app.command()(export)
app.command("import", cls=RenamedOptions)(import_)


@app.command()
def query(
    url: StoreArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The collection.")],
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="What to look for.")] = None,
    where: WhereOption = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many hits.")] = 10,
    exact: Annotated[bool, typer.Option("--exact", help="Compare with every record, not by the index.")] = False,
    embed: Annotated[
        str | None, typer.Option(metavar="SPEC", help="The embedder, where it is not clear from the collection.")
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A named field to ask, or 'vector'; may be repeated: the lists are fused by RRF."
        ),
    ] = None,
    sparse: Annotated[
        str | None, typer.Option(metavar="JSON", help="A sparse vector to ask with: an object from index to value.")
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
    name: Annotated[str, typer.Argument(metavar="NAME", help="The collection; made if there is none.")],
    text: Annotated[str, typer.Option(metavar="FIELD", help="The field that becomes the document and its vector.")],
    record_id: Annotated[str, typer.Option("--id", metavar="FIELD", help="The field that becomes the id.")],
    embed: Annotated[
        str,
        typer.Option(
            metavar="SPEC",
            help="The embedder: lexical:512, or KIND:MODEL with openai, sentence-transformers, fastembed or chroma.",
        ),
    ],
    metadata: Annotated[
        str,
        typer.Option(
            metavar="FIELDS",
            help="Fields of the metadata, e.g. title,year:int. Types: str, int, float, bool, datetime. "
            "* stands for all that are not named; '' for none.",
        ),
    ] = "*",
    field: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=COLUMN",
            help="A named field and the column of its vectors; may be repeated. NAME=COLUMN:l2 names the metric.",
        ),
    ] = None,
    metric: Annotated[Metric, typer.Option(help="Of a new collection.")] = Metric.COSINE,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows embedded, written and noted at once.")] = 256,
    max_errors: Annotated[int, typer.Option(min=0, help="Rows that may be rejected before the run ends.")] = 100,
    rejected_file: RejectedFileOption = None,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", parser=path, help="Folder of checkpoint and cache; by default FILE.vstore beside the file."
        ),
    ] = None,
    restart: RestartOption = False,
    as_json: PrintJsonOption = False,
    timeout: TimeoutOption = 30.0,
    retries: Annotated[int, typer.Option(min=0, help="How often a failed call to the database is retried.")] = 5,
) -> None:
    """Loads texts from a file into a collection, embedding them.

    Killed or interrupted, the same command resumes and embeds nothing twice.
    Exit codes: 0 all rows are loaded, 1 failed, 2 usage, 4 incomplete and resumable, 5 rows were rejected.
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
    filters: Annotated[int, typer.Option(min=1, help="How many filters to generate.")] = 2000,
    sequences: Annotated[int, typer.Option(min=1, help="How many sequences of operations to generate.")] = 200,
    mode: Annotated[Form, typer.Option(help="Which form of the library.")] = Form.BOTH,
    report: ReportOption = None,
) -> None:
    """Runs the conformance suite on a store and reports pass or fail for each clause.

    It creates collections named vstore_conf_… and deletes them again; nothing else is touched.
    The exit code is 0 if every clause holds, 1 if any fails.
    Example: vstore conform chroma:./data
    """
    from vstore.cli.conform import run

    with errors_told():
        run(url, filters=filters, sequences=sequences, mode=mode.value, report=report)
