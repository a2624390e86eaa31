"""``vstore copy`` and ``vstore verify``: their options; the work is in modules that are loaded when they run."""

from __future__ import annotations

from typing import Annotated

import typer

from vstore import Metric
from vstore.cli.options import (
    EMBEDDING,
    NAMES,
    RUNNING,
    URL_HELP,
    AllOption,
    AppOption,
    CollectionsOption,
    DimensionOption,
    DryRunOption,
    EmbedCacheOption,
    EmbedOption,
    IdOption,
    IfExistsOption,
    JsonOption,
    LayoutOption,
    MappingOption,
    MaxErrorsOption,
    NameMapOption,
    NameOption,
    QueriesOption,
    RejectedFileOption,
    RenameOption,
    ReportOption,
    RestartOption,
    RetriesOption,
    SampleOption,
    StateOption,
    TimeoutOption,
    VectorLengthOption,
    VerifyOption,
    WhereOption,
    WithoutTextOption,
    WorkersOption,
)
from vstore.cli.output import errors_told
from vstore.transfer.options import EngineName, WithoutText
from vstore.transfer.report import VerifyMode

__all__ = ["copy", "verify"]


def copy(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help=f"Where from: {URL_HELP} Or a path of files.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="Where to, in the same form.")],
    collection: CollectionsOption = [],  # noqa: B006 (typer copies it)
    everything: AllOption = False,
    name: NameOption = None,
    where: WhereOption = None,
    transform: Annotated[
        str | None,
        typer.Option(
            "--transform",
            metavar="MODULE:FUNCTION",
            help="A function that gets each record and returns the one to write, or None to leave it out.",
        ),
    ] = None,
    dry_run: DryRunOption = False,
    if_exists: IfExistsOption = None,
    allow: Annotated[
        list[str], typer.Option(metavar="LOSS,…", help="Accept losses. --dry-run and the error list their names.")
    ] = [],  # noqa: B006
    mapping: MappingOption = None,
    report: ReportOption = None,
    as_json: JsonOption = False,
    timeout: TimeoutOption = 30.0,
    application: AppOption = None,
    vector_length: VectorLengthOption = None,
    rename: RenameOption = [],  # noqa: B006
    name_map: NameMapOption = None,
    ids: IdOption = [],  # noqa: B006
    dimension: DimensionOption = None,
    layout: LayoutOption = None,
    embed: EmbedOption = None,
    metric: Annotated[
        Metric | None,
        typer.Option(
            help="With --embed, the metric of the target. By default the embedder's, otherwise cosine.",
            rich_help_panel=EMBEDDING,
        ),
    ] = None,
    without_text: WithoutTextOption = WithoutText.REFUSE,
    embed_cache: EmbedCacheOption = None,
    verify: VerifyOption = VerifyMode.FULL,
    sample: SampleOption = 1000,
    queries: QueriesOption = 10,
    workers: WorkersOption = 1,
    engine: Annotated[
        EngineName,
        typer.Option(help="Threads of this process, or the workers of a Ray cluster.", rich_help_panel=RUNNING),
    ] = EngineName.THREADS,
    max_rps: Annotated[
        float | None, typer.Option(help="Calls a second, at most. By default any number.", rich_help_panel=RUNNING)
    ] = None,
    chunk_rows: Annotated[
        int | None,
        typer.Option(min=1, help="Records written at once, at most. By default 5,000.", rich_help_panel=RUNNING),
    ] = None,
    retries: RetriesOption = 8,
    max_errors: MaxErrorsOption = 0,
    rejected_file: RejectedFileOption = None,
    state: StateOption = None,
    restart: RestartOption = False,
) -> None:
    """Copies collections from one store to another and compares them, record by record.

    Either --collection, --all or --app is needed.
    With --all a collection that fails does not stop the others, and the report has each.
    After an interruption the same command resumes.
    Exit codes: 0 copied and verified, 1 failed, 2 wrong use or refused, 3 different, 4 incomplete and resumable,
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


def verify(
    left: Annotated[str, typer.Argument(metavar="LEFT", help=f"One store: {URL_HELP} Or a path of files.")],
    right: Annotated[str, typer.Argument(metavar="RIGHT", help="The other, in the same form.")],
    collection: Annotated[str | None, typer.Option(metavar="NAME", help="The collection to compare.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Compare all collections, foreign ones too.")] = False,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Its name in the other. By default it is the same.")
    ] = None,
    where: WhereOption = None,
    mode: Annotated[
        VerifyMode,
        typer.Option("--verify", help="full compares every record, sample all ids and some records, none the counts."),
    ] = VerifyMode.FULL,
    sample: SampleOption = 1000,
    queries: QueriesOption = 10,
    subset: Annotated[bool, typer.Option("--subset", help="The other may hold more records.")] = False,
    allow: Annotated[
        list[str],
        typer.Option(metavar="LOSS,…", help="Accept what is not compared, by the names that the command lists."),
    ] = [],  # noqa: B006
    mapping: MappingOption = None,
    application: Annotated[
        str | None,
        typer.Option(
            "--app",
            metavar="NAME",
            help="Compare all collections of an application: dify, n8n or open-webui.",
            rich_help_panel=NAMES,
        ),
    ] = None,
    rename: RenameOption = [],  # noqa: B006
    name_map: NameMapOption = None,
    ids: IdOption = [],  # noqa: B006
    dimension: DimensionOption = None,
    layout: Annotated[
        str | None,
        typer.Option(
            "--layout",
            metavar="PACKAGE|FILE",
            help="As whose RIGHT was written, as of vstore copy. By default that of --app, else vstore.",
            rich_help_panel=NAMES,
        ),
    ] = None,
    vector_length: VectorLengthOption = None,
    retries: RetriesOption = 8,
    report: ReportOption = None,
    as_json: JsonOption = False,
    timeout: TimeoutOption = 30.0,
) -> None:
    """Compares a collection in two stores: ids both ways, vectors, documents, metadata with their types, and search.

    With --all it compares every collection of LEFT with the one that vstore copy --all makes of it.
    Exit codes: 0 equal, 1 failed or interrupted, 2 wrong use, 3 different.
    Example: vstore verify chroma:./data pgvector:./pg --collection docs
    """
    from vstore.cli.naming import Naming
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
            everything=everything,
            app=application,
            naming=Naming(rename, name_map),
            dimension=dimension,
            layout=layout,
            vector_length=vector_length,
        )
