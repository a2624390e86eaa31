"""Arguments and options that several commands have."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand

from vstore.spi.urls import names_store
from vstore.transfer.options import IfExists, WithoutText
from vstore.transfer.report import VerifyMode

_EARLIER: Final = {"--dead-letters": "--rejected", "--map": "--transform", "--mode": "--if-exists"}


class RenamedOptions(TyperCommand):
    """Takes options by their earlier names too, which the help does not show."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See ``click.Command``."""
        return super().parse_args(ctx, [_renamed(one) for one in args])


def _renamed(argument: str) -> str:
    name, sign, value = argument.partition("=")
    return f"{_EARLIER.get(name, name)}{sign}{value}"


class Embedded(StrEnum):
    """The databases that need no server, in the order of the demo's tour."""

    CHROMA = "chroma"
    QDRANT = "qdrant"
    MILVUS = "milvus"
    PGVECTOR = "pgvector"


def path(text: str) -> Path:
    """A path that is given; a URL in its place would become a folder, and is not repeated: it may hold a password."""
    if "://" in text or names_store(text):
        raise typer.BadParameter("this is a URL, not a path. Write ./ before a path with a colon.")
    if not text or "\x00" in text:
        raise typer.BadParameter("this is no path.")
    return Path(text)


URL_HELP = (
    "A store: its name in vstore.toml, or [bold]chroma:PATH[/], chroma://host:port, [bold]qdrant:PATH[/], "
    "qdrant://host:port, [bold]milvus:PATH.db[/], milvus://host:port, [bold]pgvector:PATH[/], "
    "postgresql://user@host/db, memory:."
)
StoreArgument = Annotated[str, typer.Argument(metavar="URL", help=URL_HELP)]
TimeoutOption = Annotated[float, typer.Option(help="Seconds after which a call is given up.")]
WhereOption = Annotated[str | None, typer.Option(metavar="FILTER", help="Only records that match, as JSON.")]
MappingOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="How to read a foreign collection: a file as vstore inspect prints it, or one of "
        "langchain, llamaindex, haystack, mem0, auto.",
    ),
]
LayoutOption = Annotated[
    str | None,
    typer.Option(
        "--layout",
        metavar="PACKAGE",
        help="Make and write the target as another package's own store would: langchain, llamaindex, haystack, mem0, "
        "open-webui or plain. By default vstore's own, and with --app that of the application; vstore means its own.",
    ),
]
VectorLengthOption = Annotated[
    int | None,
    typer.Option(
        "--vector-length",
        min=1,
        help="With --layout open-webui: its PGVECTOR_INITIALIZE_MAX_VECTOR_LENGTH (1536); into Chroma the dimension of "
        "its embedder.",
    ),
]
RetriesOption = Annotated[int, typer.Option(min=0, help="How often a failed call is retried.")]
SampleOption = Annotated[int, typer.Option(min=1, help="Records that --verify sample compares.")]
QueriesOption = Annotated[int, typer.Option(min=0, help="Queries both sides are asked.")]
ReportOption = Annotated[
    Path | None, typer.Option(metavar="FILE", parser=path, help="Write the report of all collections, as JSON.")
]
RejectedFileOption = Annotated[
    Path | None,
    typer.Option(
        "--rejected",
        metavar="FILE",
        parser=path,
        help="File of rejected records, as JSON lines.",
    ),
]
PrintJsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON lines, as if the output were no terminal.")]
CollectionsOption = Annotated[list[str], typer.Option(help="Which collection; may be given several times.")]
AllOption = Annotated[bool, typer.Option("--all", help="All collections, also foreign ones.")]
RenameOption = Annotated[
    list[str],
    typer.Option(
        metavar="PATTERN=REPLACEMENT",
        help="Rewrites the names for the target: a regular expression, and what replaces each match.",
    ),
]
NameMapOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        parser=path,
        help="Names for the target, as JSON or TOML: an object of name to name; false leaves a collection out.",
    ),
]
AppOption = Annotated[
    str | None,
    typer.Option("--app", metavar="NAME", help="All collections of an application that is known: open-webui."),
]
IdOption = Annotated[
    list[str],
    typer.Option(
        "--id", metavar="COLUMN", help="The field that is the id of a foreign collection; several are it together."
    ),
]
DimensionOption = Annotated[
    int | None,
    typer.Option("--dimension", min=1, help="Of empty foreign collections of which nothing tells it."),
]
NameOption = Annotated[str | None, typer.Option(help="Another name in the target.")]
IfExistsOption = Annotated[
    IfExists | None, typer.Option("--if-exists", help="What to do with a target that holds records.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Read the source and report what would be done; write nothing.")
]
WorkersOption = Annotated[int, typer.Option(min=1, max=64, help="Readers, and as many writers.")]
VerifyOption = Annotated[VerifyMode, typer.Option(help="How much to compare afterwards.")]
StateOption = Annotated[
    Path | None,
    typer.Option(metavar="PATH", parser=path, help="Folder of the checkpoint; by default ~/.local/state/vstore."),
]
EmbedOption = Annotated[
    str | None,
    typer.Option(
        metavar="SPEC",
        help="Make the vectors anew from the documents: lexical:512, or KIND:MODEL with openai, sentence-transformers, "
        "fastembed or chroma.",
    ),
]
WithoutTextOption = Annotated[
    WithoutText, typer.Option("--without-text", help="With --embed: what becomes of records without a text.")
]
EmbedCacheOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", parser=path, help="With --embed: where vectors are kept; by default vectors.sqlite in --state."
    ),
]
RestartOption = Annotated[bool, typer.Option("--restart", help="Forget how far an earlier run came.")]
