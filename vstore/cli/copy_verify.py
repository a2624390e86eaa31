"""``vstore copy`` and ``vstore verify``: their options; the work is in modules that are loaded when they run."""

from __future__ import annotations

from typing import Annotated

import typer

from vstore import Metric
from vstore.cli.options import (
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
