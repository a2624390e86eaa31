"""Looks at the texts of a source before a copy embeds them: which records have none, and what the others will take."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Final

import numpy as np

from vstore.embed import cached
from vstore.embed.batching import chunk_of, requests_of
from vstore.embed.cachefile import digest
from vstore.embed.caching import CachedEmbedder
from vstore.embedding import Embedder
from vstore.errors import InvalidInput
from vstore.info import CollectionInfo
from vstore.records import IncludeName, Records
from vstore.transfer.calls import RetryPolicy
from vstore.transfer.embedding import cache_path, kept, split_by_text, transforming, without_text_refused
from vstore.transfer.endpoint import EVERYTHING, Source
from vstore.transfer.engine import read_chunks
from vstore.transfer.loss import Loss, LossKind
from vstore.transfer.options import CopyOptions, WithoutText
from vstore.transfer.plan import Chunk
from vstore.transfer.report import EmbeddingFigures
from vstore.transfer.transform import Rewrite

__all__ = ["TextSurvey", "cost_of", "costing", "stand_in"]

_NAMED: Final = 5
_SEED: Final = 15


class TextSurvey:
    """Counts the records with and without a text, as the plan is made.

    Args:
        options: Of a copy that embeds.
        info: What the target is to be.
        cost: Counts what embedding takes.
    """

    def __init__(self, options: CopyOptions, info: CollectionInfo, cost: Cost | None = None) -> None:
        assert options.embed is not None
        self.figures = EmbeddingFigures(options.embed.name, info.dimension, info.metric.value)
        self._options = options
        self._cost = cost
        self._rewrites = transforming(options)

    def include(self, columns: tuple[IncludeName, ...]) -> tuple[IncludeName, ...]:
        """Return the columns that the scan must bring: these, and what it takes to know the texts."""
        return EVERYTHING if self._rewrites else (*columns, "documents")

    def add(self, records: Records) -> None:
        """Takes in the records of one chunk."""
        for rewrite in self._rewrites:
            records = rewrite(records)
        with_text, without = split_by_text(records)
        found = self.figures
        found.texts += len(with_text)
        found.without_text += len(without)
        found.examples += [records.ids[place] for place in without[: _NAMED - len(found.examples)]]
        if self._cost is not None:
            self._cost.add([text for text in records.take(with_text).documents or () if text is not None], found)

    def problem(self) -> InvalidInput | None:
        """Return why these records must not be copied; None if they may be."""
        if self.figures.without_text and self._options.without_text is WithoutText.REFUSE:
            return without_text_refused(self.figures.without_text, self.figures.examples)
        return None

    def losses(self) -> Iterator[Loss]:
        """Yield what becomes of the records without a text; it was chosen, and needs no leave."""
        if not self.figures.without_text:
            return
        who = f"{self.figures.without_text:,} records without a text"
        example = f"for example {', '.join(map(repr, self.figures.examples))}"
        if self._options.without_text is WithoutText.SKIP:
            yield Loss(LossKind.ROWS, f"{who} stay behind, {example}", needs_leave=False)
        elif self._options.without_text is WithoutText.KEEP:
            yield Loss(LossKind.EMBEDDER, f"{who} keep the vectors of the source, {example}", needs_leave=False)


class Cost:
    """Counts what an embedder will be asked for, chunk by chunk, without asking it.

    Which texts have been there is kept in a temporary file of 32 bytes each, not in memory.

    Args:
        embedder: Which one.
        chunk: Texts that the cache asks it for at once.
        missing: Returns those of some texts, each once, whose vectors are not in the cache.
        seen: A temporary database.
    """

    def __init__(
        self,
        embedder: Embedder,
        chunk: int,
        missing: Callable[[Sequence[str]], list[str]],
        seen: sqlite3.Connection,
    ) -> None:
        self._embedder = embedder
        self._chunk = chunk
        self._missing = missing
        self._seen = seen
        seen.execute("create table seen (text blob primary key) without rowid")

    def add(self, texts: Sequence[str], figures: EmbeddingFigures) -> None:
        """Takes in the texts of one chunk, in their order."""
        missing = self._missing([text for text in dict.fromkeys(texts) if self._is_new(text)])
        parts = [missing[start : start + self._chunk] for start in range(0, len(missing), self._chunk)]
        figures.embedded += len(missing)
        figures.characters += sum(map(len, missing))
        figures.calls += sum(requests_of(self._embedder, part) for part in parts)
        figures.cached += len(texts) - len(missing)

    def _is_new(self, text: str) -> bool:
        return self._seen.execute("insert or ignore into seen values (?)", (digest(text),)).rowcount == 1


@contextmanager
def costing(options: CopyOptions, info: CollectionInfo) -> Iterator[TextSurvey]:
    """Yield a survey that counts what embedding takes; a cache that is not there is not made."""
    assert options.embed is not None
    with ExitStack() as stack:
        seen = stack.enter_context(closing(sqlite3.connect("")))  # a file of SQLite's own, which it removes
        missing: Callable[[Sequence[str]], list[str]] = list
        path, inner = cache_path(options), options.embed
        if isinstance(options.embed, CachedEmbedder):
            inner, missing = options.embed.inner, options.embed.missing
        elif path is not None and path.exists():
            cache = cached(options.embed, path)
            stack.callback(cache.close)
            missing = cache.missing
        yield TextSurvey(options, info, Cost(inner, chunk_of(options.embed), missing, seen))


def cost_of(
    source: Source, chunks: Sequence[Chunk], options: CopyOptions, info: CollectionInfo, retry: RetryPolicy
) -> EmbeddingFigures | None:
    """Return what embedding some chunks of a plan takes; None for a copy that embeds nothing."""
    if options.embed is None:
        return None
    with costing(options, info) as texts:
        for _, records in read_chunks(source, chunks, options.where, retry):
            texts.add(records)
    return texts.figures


def stand_in(options: CopyOptions, info: CollectionInfo) -> Rewrite:
    """Return a rewrite that gives records vectors of the target's dimension without embedding, to estimate with."""
    rng = np.random.default_rng(_SEED)

    def rewrite(records: Records) -> Records:
        records = kept(records, options)
        vectors = rng.standard_normal((len(records), info.dimension), dtype=np.float32)
        return Records(records.ids, vectors, records.documents, records.metadatas, records.fields)

    return rewrite
