"""The options of a copy: written and checked in one place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypedDict, cast

from vstore.embed import from_spec
from vstore.embedding import Embedder, check_embedder
from vstore.errors import AlreadyExists, InvalidInput, Unsupported, VStoreError, brief, check_flag, plain
from vstore.filters.dictform import to_dict
from vstore.filters.tree import Filter
from vstore.indexing import Metric, check_metric
from vstore.mapping import LAYOUTS, RecordMapping
from vstore.regular import refuse_url
from vstore.transfer.calls import DEFAULT_RETRIES, RetryPolicy
from vstore.transfer.endpoint import Target
from vstore.transfer.loss import LossKind, parse_allowed
from vstore.transfer.report import VerifyMode
from vstore.transfer.transform import RecordMap, fingerprint
from vstore.wording import did_you_mean

__all__ = ["RECORDS", "CopyKeywords", "CopyOptions", "EngineName", "IfExists", "WithoutText", "occupied"]

RECORDS: Final = ("where", "transform", "embed", "metric", "without_text")
"""Those of ``CopyOptions.binding`` that say which records the target is to have."""
MAX_WORKERS: Final = 64
DEFAULT_SAMPLE: Final = 1_000
DEFAULT_QUERIES: Final = 10


class EngineName(StrEnum):
    """What moves the chunks."""

    THREADS = "threads"
    """Threads of this process."""
    RAY = "ray"
    """The workers of a Ray cluster."""


class IfExists(StrEnum):
    """What to do with a target that holds records."""

    MERGE = "merge"
    """Keep them; records with the same id are replaced."""
    REPLACE = "replace"
    """Delete the collection and create it anew."""


class WithoutText(StrEnum):
    """What becomes of a record without a text, where texts are embedded anew.

    A text is a document with any character but white space.
    """

    REFUSE = "refuse"
    """There must be none: nothing is written."""
    SKIP = "skip"
    """It is left out."""
    KEEP = "keep"
    """It keeps its vector, which must have the embedder's dimension."""


class CopyKeywords(TypedDict, total=False):
    """The keywords of ``copy``, see ``CopyOptions``."""

    where: Filter | None
    transform: RecordMap | None
    if_exists: IfExists | str | None
    allow: Iterable[str]
    workers: int
    engine: EngineName | str
    retries: int
    max_rps: float | None
    max_errors: int
    chunk_rows: int | None
    verify: VerifyMode | str
    sample: int
    queries: int
    state: Path | None
    restart: bool
    rejected_file: Path | None
    layout: RecordMapping | str | None
    vector_length: int | None
    embed: Embedder | str | None
    metric: Metric | str | None
    without_text: WithoutText | str
    embed_cache: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyOptions:
    """How to copy.

    Attributes:
        where: Only the records that match.
        transform: Returns the record to write in place of each, or None to leave it out.
        if_exists: What to do with a target that holds records: ``"merge"`` or ``"replace"``. By default the copy is
            refused.
        allow: Names of losses that are accepted, see ``vstore.transfer.LossKind``.
        workers: How many readers, and how many writers, 1 to 64.
        engine: ``"threads"`` of this process, or the workers of a ``"ray"`` cluster (extra ``ray``), with the same
            plan and checkpoint; both ends must have been opened by URL.
        retries: How often a call that failed with a retryable error is retried.
        max_rps: Most calls a second; None for no limit.
        max_errors: How many records the target may reject; one more ends the run.
        chunk_rows: Most records of a chunk, which is written and noted at once; by default 5,000. Fewer where the
            target takes fewer. Only a new plan heeds it.
        verify: ``"full"``, ``"sample"`` or ``"none"``.
        sample: How many records ``"sample"`` compares.
        queries: How many queries both sides are asked to compare what they find; 0 for none.
        state: The folder of the checkpoint, from which the same call resumes after an interruption or failure. Both
            ends must have been opened by URL. Without it a copy that ends early is not resumable.
        restart: Whether to forget the checkpoint.
        rejected_file: Where to write the records that the target rejects, as JSON lines; by default beside the
            checkpoint.
        layout: Makes and writes the target as another package's own store would, or by a mapping, see
            ``create_collection``. Only of a target that is named by URL.
        vector_length: Components of each vector, with a layout only that has one length for all: shorter vectors are
            filled up with zeros, longer ones cut. By default what the target has, or the layout says.
        embed: Embeds the documents anew: an embedder, or its name as ``vstore.embed.from_spec`` takes it. The target
            has its dimension and its name. By default the vectors are copied.
        metric: Metric of the target, with ``embed`` only; by default the embedder's ``metric`` if it has one, otherwise
            cosine.
        without_text: What becomes of records without a text, with ``embed`` only: ``"refuse"``, ``"skip"`` or
            ``"keep"``.
        embed_cache: The file of an ``embed.cached`` around ``embed``; by default ``vectors.sqlite`` in ``state``, or
            without that a temporary one. An embedder that is cached already keeps its own.

    Raises:
        InvalidInput: A value that is not legal.
        Unsupported: ``embed`` with the engine ``"ray"``, or the package that the embedder needs is not installed.
    """

    where: Filter | None = None
    transform: RecordMap | None = None
    if_exists: IfExists | None = None
    allow: frozenset[LossKind] = frozenset()
    workers: int = 1
    engine: EngineName = EngineName.THREADS
    retries: int = DEFAULT_RETRIES
    max_rps: float | None = None
    max_errors: int = 0
    chunk_rows: int | None = None
    verify: VerifyMode = VerifyMode.FULL
    sample: int = DEFAULT_SAMPLE
    queries: int = DEFAULT_QUERIES
    state: Path | None = None
    restart: bool = False
    rejected_file: Path | None = None
    layout: RecordMapping | str | None = None
    vector_length: int | None = None
    embed: Embedder | None = None
    metric: Metric | None = None
    without_text: WithoutText = WithoutText.REFUSE
    embed_cache: Path | None = None

    def __post_init__(self) -> None:
        for name in ("state", "rejected_file", "embed_cache"):
            path = getattr(self, name)
            if path is not None and not isinstance(path, Path):
                raise InvalidInput(f"{name} must be a pathlib.Path, not {brief(path)}")
            refuse_url(name, path)
        if self.where is not None and not isinstance(self.where, Filter):
            raise InvalidInput(
                f"where must be a filter, not {brief(self.where)}", hint="vstore.filters.parse makes one of a dict."
            )
        if self.transform is not None and not callable(self.transform):
            raise InvalidInput(f"transform must be a function, not {brief(self.transform)}")
        check_flag("restart", self.restart)
        if not isinstance(self.layout, RecordMapping | None) and self.layout not in LAYOUTS:
            raise InvalidInput(
                f"layout must be a RecordMapping or one of {', '.join(LAYOUTS)}, not {brief(self.layout)}",
                hint=did_you_mean(self.layout, LAYOUTS)
                or "On the command line, write ./NAME for a file whose name does not end in .json.",
            )
        if self.vector_length is not None and self.layout is None:
            raise InvalidInput("vector_length is for a copy with layout", hint="Pass layout too, or leave it out.")
        if self.if_exists is not None:
            self._set("if_exists", _parsed("if_exists", self.if_exists, IfExists, "'merge', 'replace' or None"))
        self._set("engine", _parsed("engine", self.engine, EngineName, "'threads' or 'ray'"))
        self._set("verify", _parsed("verify", self.verify, VerifyMode, "'full', 'sample' or 'none'"))
        for name, low, high in (
            ("workers", 1, MAX_WORKERS),
            ("max_errors", 0, 1_000_000),
            ("sample", 1, 100_000_000),
            ("queries", 0, 1_000),
            ("chunk_rows", 1, 1_000_000),
            ("vector_length", 1, 1_000_000),
        ):
            value = getattr(self, name)
            if name in ("chunk_rows", "vector_length") and value is None:
                continue
            if type(value) is not int or not low <= value <= high:
                raise InvalidInput(f"{name} must be an int from {low} to {high:,}, not {brief(value)}")
        self._set("allow", parse_allowed(self.allow))
        RetryPolicy(self.retries, self.max_rps)
        self._check_embedding()

    def _check_embedding(self) -> None:
        legal = "'refuse', 'skip' or 'keep'"
        self._set("without_text", _parsed("without_text", self.without_text, WithoutText, legal))
        if self.metric is not None:
            self._set("metric", check_metric(self.metric))
        if self.embed is None:
            given = {"metric": self.metric, "embed_cache": self.embed_cache}
            for name in [name for name, value in given.items() if value is not None] + (
                ["without_text"] if self.without_text is not WithoutText.REFUSE else []
            ):
                raise InvalidInput(f"{name} is for a copy that embeds", hint="Pass embed too, or leave it out.")
            return
        if self.engine is EngineName.RAY:
            raise Unsupported("the engine 'ray' does not embed", hint="Leave it out: threads embed at once too.")
        if self.layout is not None:
            raise Unsupported(
                "a copy does not embed into the layout of another package",
                hint="Copy in two steps: first with embed, then the result with layout.",
            )
        self._set("embed", from_spec(self.embed) if isinstance(self.embed, str) else self.embed)
        check_embedder(self.embed)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @classmethod
    def of(cls, keywords: CopyKeywords) -> CopyOptions:
        """Makes the options of keywords.

        Raises:
            InvalidInput: A value that is not legal, or a keyword that there is not.
        """
        known = [field.name for field in fields(cls)]
        if unknown := [name for name in keywords if name not in known]:
            near = get_close_matches(unknown[0], known, n=1)
            raise InvalidInput(
                f"copy has no option {unknown[0]!r}",
                hint=f"Did you mean {near[0]!r}?" if near else f"Its options are {', '.join(known)}.",
            )
        return cls(**cast("dict[str, Any]", keywords))

    @property
    def maker(self) -> str:
        """What the vectors of the target are from, in words."""
        if self.embed is not None:
            return "the embedder"
        return "the source" if self.transform is None else "the transform"

    def binding(self) -> dict[str, Any]:
        """What must be the same in the next run for it to resume this one, under the names that checkpoints have."""
        return {
            "where": None if self.where is None else to_dict(self.where),
            "transform": None if self.transform is None else fingerprint(self.transform),
            "mode": self.if_exists,
            "allow": sorted(self.allow),
            "embed": None if self.embed is None else f"{self.embed.name} {self.embed.dimension}",
            "metric": self.metric,
            "vector_length": self.vector_length,
            "without_text": None if self.embed is None else self.without_text,
        }


def _parsed(name: str, value: object, kind: type[StrEnum], legal: str) -> StrEnum:
    if not isinstance(value, str) or plain(value) not in [one.value for one in kind]:
        raise InvalidInput(f"{name} must be {legal}, not {brief(value)}")
    return kind(plain(value))


def occupied(target: Target, records: int, if_exists: IfExists | None) -> VStoreError | None:
    """Returns why a target that holds so many records must not be written to; None if it may be."""
    if not records or if_exists is IfExists.REPLACE or (if_exists is IfExists.MERGE and target.merges):
        return None
    merge = "Pass --if-exists merge to keep the records that the source lacks, or " if target.merges else "Pass "
    hint = f"{merge}--if-exists replace to delete {'the collection' if target.merges else 'it'} first."
    if if_exists is IfExists.MERGE:
        return Unsupported(f"a data set of files is written once, and the target holds {records:,} records", hint=hint)
    return AlreadyExists(f"the target holds {records:,} records", hint=hint, backend=target.backend, operation="copy")
