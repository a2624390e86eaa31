"""The commands and their options; each one's work is in a module of its own, loaded when it runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vstore import __version__
from vstore.cli.output import console, errors_told

__all__ = ["Embedded", "app"]

app = typer.Typer(
    help="One exact protocol over several vector databases.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

URL_HELP = (
    "A store: [bold]chroma:PATH[/], chroma://host:port, [bold]qdrant:PATH[/], qdrant://host:port, "
    "[bold]milvus:PATH.db[/], milvus://host:port, [bold]pgvector:PATH[/], postgresql://user@host/db, memory:."
)
StoreArgument = Annotated[str, typer.Argument(metavar="URL", help=URL_HELP)]
TimeoutOption = Annotated[float, typer.Option(help="Seconds after which a call is given up.")]


class Mode(StrEnum):
    """Which form of the library ``conform`` tests."""

    SYNC = "sync"
    ASYNC = "async"
    BOTH = "both"


class Embedded(StrEnum):
    """The databases that need no server, in the order of the demo's tour."""

    CHROMA = "chroma"
    QDRANT = "qdrant"
    MILVUS = "milvus"
    PGVECTOR = "pgvector"


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
        typer.Option(help="Keep the databases in this new directory. By default they are temporary."),
    ] = None,
) -> None:
    """A tour through four databases without server or network, in about half a minute.

    Writes 1,797 handwritten digits into an embedded Chroma and asks a filtered question. Then copies everything
    to Qdrant, from there to Milvus and on to PostgreSQL with pgvector; at each stop it checks that nothing is
    lost and asks the same question. Example: vstore demo --from qdrant --to pgvector
    """
    from vstore.cli.demo import run

    with errors_told():
        run(directory, first, second)


@app.command()
def inspect(
    url: StoreArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    timeout: TimeoutOption = 30.0,
) -> None:
    """What a store is: version, collections with their counts, and what it can do.

    Example: vstore inspect chroma:./data
    """
    from vstore.cli.inspect import run

    with errors_told():
        run(url, as_json=as_json, timeout=timeout)


@app.command()
def conform(
    url: StoreArgument,
    filters: Annotated[int, typer.Option(min=1, help="How many filters to generate.")] = 2000,
    sequences: Annotated[int, typer.Option(min=1, help="How many sequences of operations to generate.")] = 200,
    mode: Annotated[Mode, typer.Option(help="Which form of the library.")] = Mode.BOTH,
    report: Annotated[Path | None, typer.Option(help="Write the whole report to this file, as JSON.")] = None,
) -> None:
    """Runs the conformance suite on a store and tells clause by clause what holds.

    It creates collections named vstore_conf_… and deletes them again; nothing else is touched. The exit code
    is 0 if every clause holds, 1 if any fails. Example: vstore conform chroma:./data
    """
    from vstore.cli.conform import run

    with errors_told():
        run(url, filters=filters, sequences=sequences, mode=mode.value, report=report)
