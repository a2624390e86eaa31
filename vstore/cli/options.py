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
    "[bold]chroma:PATH[/], chroma://host:8000, [bold]qdrant:PATH[/], qdrant://host:6333, [bold]milvus:PATH.db[/], "
    "milvus://host:19530, [bold]pgvector:PATH[/], postgresql://user@host/db, memory:, or a name in vstore.toml."
)
_SPEC_HELP = "lexical:512, or KIND:MODEL with openai, sentence-transformers, fastembed or chroma."

# groups of options in the help of the commands that copy
NAMES = "Names, foreign collections and layouts"
COLUMNS = "What columns of foreign files are"
EMBEDDING = "Vectors of another embedder"
COMPARISON = "Comparison"
RUNNING = "Speed, failures and resuming"

StoreArgument = Annotated[str, typer.Argument(metavar="URL", help=f"The store: {URL_HELP}")]
TimeoutOption = Annotated[float, typer.Option(help="Seconds that one call may take.")]
WhereOption = Annotated[
    str | None,
    typer.Option(metavar="FILTER", help='Only records that match, as JSON: \'{"year": {"$gte": 2020}}\'.'),
]
MappingOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="How to read a foreign collection: langchain, llamaindex, haystack, mem0 or auto, or a file of what "
        "vstore inspect --json prints.",
    ),
]
LayoutOption = Annotated[
    str | None,
    typer.Option(
        "--layout",
        metavar="PACKAGE|FILE",
        help="Make and write the target as another package's own store would: langchain, llamaindex, haystack, mem0, "
        "open-webui, dify, n8n or plain; or by a mapping in a file such as ./table.json, with columns or keys of your "
        "own (PostgreSQL, Qdrant). By default the layout is that of --app, else vstore, which is vstore's own.",
        rich_help_panel=NAMES,
    ),
]
VectorLengthOption = Annotated[
    int | None,
    typer.Option(
        "--vector-length",
        min=1,
        help="With the layout open-webui: its PGVECTOR_INITIALIZE_MAX_VECTOR_LENGTH (1536), or elsewhere the "
        "dimension of its embedder.",
        rich_help_panel=NAMES,
    ),
]
RetriesOption = Annotated[
    int, typer.Option(min=0, help="How often a call that failed is retried.", rich_help_panel=RUNNING)
]
SampleOption = Annotated[
    int, typer.Option(min=1, help="Records that --verify sample compares.", rich_help_panel=COMPARISON)
]
QueriesOption = Annotated[
    int,
    typer.Option(min=0, help="Queries that both sides answer, to compare the hits.", rich_help_panel=COMPARISON),
]
ReportOption = Annotated[
    Path | None, typer.Option(metavar="FILE", parser=path, help="Write the report to a file too, as JSON.")
]
RejectedFileOption = Annotated[
    Path | None,
    typer.Option(
        "--rejected",
        metavar="FILE",
        parser=path,
        help="Where to write rejected records, as JSON lines. By default beside the checkpoint.",
        rich_help_panel=RUNNING,
    ),
]
MaxErrorsOption = Annotated[
    int,
    typer.Option(min=0, help="Records that the target may reject. One more ends the run.", rich_help_panel=RUNNING),
]
PrintJsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON lines. Where the output is no terminal, this is the default.")
]
CollectionsOption = Annotated[list[str], typer.Option(metavar="NAME", help="A collection to copy; may be repeated.")]
AllOption = Annotated[bool, typer.Option("--all", help="Copy all collections, foreign ones too.")]
RenameOption = Annotated[
    list[str],
    typer.Option(
        metavar="PATTERN=REPLACEMENT",
        help="Rewrite names for the target: a regular expression, and what replaces each match. May be repeated.",
        rich_help_panel=NAMES,
    ),
]
NameMapOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        parser=path,
        help='Names for the target, as JSON or TOML: {"old": "new"}. {"old": false} leaves a collection out.',
        rich_help_panel=NAMES,
    ),
]
AppOption = Annotated[
    str | None,
    typer.Option(
        "--app",
        metavar="NAME",
        help="Copy all collections of an application: dify, n8n or open-webui.",
        rich_help_panel=NAMES,
    ),
]
IdOption = Annotated[
    list[str],
    typer.Option(
        "--id",
        metavar="COLUMN",
        help="The column or field that is the id of a foreign collection. Several of them are the id together.",
        rich_help_panel=NAMES,
    ),
]
DimensionOption = Annotated[
    int | None,
    typer.Option(
        "--dimension",
        min=1,
        help="The dimension of empty foreign collections, where the database does not know it.",
        rich_help_panel=NAMES,
    ),
]
NameOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="The collection's name in the target. By default it is the same.")
]
IfExistsOption = Annotated[
    IfExists | None,
    typer.Option(
        "--if-exists",
        help="Where the target holds records: merge keeps them and replaces equal ids, replace deletes them first. By "
        "default the command refuses.",
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Read the source, report what would be done, and write nothing.")
]
WorkersOption = Annotated[
    int, typer.Option(min=1, max=64, help="How many readers, and as many writers.", rich_help_panel=RUNNING)
]
VerifyOption = Annotated[
    VerifyMode,
    typer.Option(
        help="What to compare afterwards: full compares every record, sample all ids and some records, none the "
        "counts.",
        rich_help_panel=COMPARISON,
    ),
]
StateOption = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        parser=path,
        help="Folder of the checkpoint. By default ~/.local/state/vstore.",
        rich_help_panel=RUNNING,
    ),
]
EmbedOption = Annotated[
    str | None,
    typer.Option(
        metavar="SPEC",
        help=f"Embed the documents anew with this embedder: {_SPEC_HELP}",
        rich_help_panel=EMBEDDING,
    ),
]
WithoutTextOption = Annotated[
    WithoutText,
    typer.Option(
        "--without-text",
        help="With --embed, records without a text: refuse ends before anything is written, skip leaves them out, keep "
        "copies their vectors.",
        rich_help_panel=EMBEDDING,
    ),
]
EmbedCacheOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        parser=path,
        help="With --embed, the file that keeps the vectors. By default vectors.sqlite beside the checkpoint.",
        rich_help_panel=EMBEDDING,
    ),
]
EmbedderOption = Annotated[str, typer.Option(metavar="SPEC", help=f"The embedder: {_SPEC_HELP}")]
RestartOption = Annotated[
    bool,
    typer.Option("--restart", help="Forget an earlier run, and begin anew.", rich_help_panel=RUNNING),
]
