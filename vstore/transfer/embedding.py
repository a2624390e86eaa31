"""Embeds the documents of a copy anew on their way; the target's dimension, metric and embedder are the embedder's.

Every vector comes through a cache, so that neither a resume nor the comparison asks for a text a second time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Final

import numpy as np

from vstore.embed import cached
from vstore.embed.batching import chunk_of, requests_of
from vstore.embed.caching import CachedEmbedder
from vstore.embedding import Embedder, metric_of
from vstore.errors import InvalidInput, LimitExceeded, VStoreError
from vstore.filters.tree import Filter
from vstore.info import CollectionInfo
from vstore.records import IncludeName, Page, Record, Records, VectorArray
from vstore.transfer.calls import RetryPolicy
from vstore.transfer.endpoint import EVERYTHING, Source
from vstore.transfer.loss import Loss, LossKind
from vstore.transfer.options import CopyOptions, WithoutText
from vstore.transfer.report import EmbeddingFigures
from vstore.transfer.transform import RecordMap, Rewrite, Rewritten, mapping_each

__all__ = [
    "Embedding",
    "Reembedded",
    "cache_path",
    "changes",
    "close_embedder",
    "kept",
    "opened",
    "planned_info",
    "split_by_text",
    "transforming",
    "without_text_refused",
]

CACHE: Final = "vectors.sqlite"
_FIRST: Final = 100
_NAMED: Final = 5


def planned_info(source: Source, options: CopyOptions, retry: RetryPolicy) -> CollectionInfo:
    """Return what the target of a copy is to be: the source's settings, with what embedding or a transform changes.

    A transform is called for the first 100 records, of which the first that it keeps tells the dimension. If that is
    not the source's, the name of the source's embedder no longer says how vectors are made, and is left out.

    Raises:
        InvalidInput: Records without a text are to keep vectors of another dimension than the embedder's.
    """
    info = source.info
    if options.embed is not None:
        if options.without_text is WithoutText.KEEP and options.embed.dimension != info.dimension:
            raise InvalidInput(
                f"records without a text cannot keep their vectors: these have {info.dimension:,} dimensions, those of "
                f"{options.embed.name!r} {options.embed.dimension:,}",
                hint="Pass --without-text skip to leave these records out.",
            )
        metric = options.metric or metric_of(options.embed)
        return replace(info, dimension=options.embed.dimension, metric=metric, embedder=options.embed.name)
    if options.transform is None:
        return info
    dimension = _dimension_of(options.transform, source, options.where, retry) or info.dimension
    return info if dimension == info.dimension else replace(info, dimension=dimension, embedder=None)


def _dimension_of(transform: RecordMap, source: Source, where: Filter | None, retry: RetryPolicy) -> int | None:
    """The dimension of the first vector that a transform gives; None if it gives none or fails: the copy tells."""
    first = next((page.records for page in retry.scan(source, where=where, batch_size=_FIRST)), Records([]))
    for record in first:
        try:
            answer = transform(record)
        except Exception:  # noqa: BLE001 (whatever it is, the copy meets and reports it)
            return None
        if answer is not None:
            return np.size(answer.vector) if isinstance(answer, Record) and answer.vector is not None else None
    return None


def changes(source: CollectionInfo, planned: CollectionInfo, *, embeds: bool) -> tuple[list[Loss], list[str]]:
    """Return the losses and the notes that tell how a target is planned otherwise than its source is."""
    losses, notes = [], []
    if planned.metric is not source.metric:
        text = f"the source has the metric {source.metric.value!r}, the target {planned.metric.value!r}"
        losses.append(Loss(LossKind.METRIC, text, needs_leave=False))
    if not embeds and planned.dimension != source.dimension:
        notes.append(
            f"the transform gives vectors of {planned.dimension:,} dimensions, and the source has {source.dimension:,}"
        )
        if source.embedder is not None:
            text = (
                f"the source's embedder {source.embedder!r} has another dimension, and the target keeps no name of one"
            )
            losses.append(Loss(LossKind.EMBEDDER, text, needs_leave=False))
    return losses, notes


def transforming(options: CopyOptions) -> list[Rewrite]:
    """Return the rewrite of a copy's transform, whose vectors count unless others are made of the texts."""
    if options.transform is None:
        return []
    vectors = options.embed is None or options.without_text is WithoutText.KEEP
    return [mapping_each(options.transform, vectors=vectors)]


def has_text(document: str | None) -> bool:
    """Whether there is anything to embed."""
    return document is not None and bool(document.strip())


def split_by_text(records: Records) -> tuple[list[int], list[int]]:
    """Return the places of the records with a text, and of those without."""
    there = [has_text(document) for document in records.documents or [None] * len(records)]
    return [place for place, has in enumerate(there) if has], [place for place, has in enumerate(there) if not has]


def kept(records: Records, options: CopyOptions) -> Records:
    """Return the records that are not left out for want of a text, as they are; their documents must be there."""
    return records.take(split_by_text(records)[0]) if options.without_text is WithoutText.SKIP else records


def without_text_refused(count: int, ids: Sequence[str]) -> InvalidInput:
    """Return the error that names records without a text."""
    return InvalidInput(
        f"{count:,} records have no text to embed, for example {', '.join(map(repr, ids))}",
        hint="Pass --without-text skip to leave them out, or keep to keep their vectors, if the dimensions agree.",
        ids=list(ids),
    )


class _Counting:
    """Asks an embedder and counts what it is asked for; may be called from many threads."""

    def __init__(self, inner: Embedder) -> None:
        self.name = inner.name
        self.dimension = inner.dimension
        self.chunk = chunk_of(inner)
        self.texts = self.characters = self.calls = 0
        self._inner = inner
        self._lock = Lock()

    def embed(self, texts: Sequence[str]) -> VectorArray:
        """One float32 vector a text."""
        vectors = self._inner.embed(texts)
        with self._lock:
            self.texts += len(texts)
            self.characters += sum(map(len, texts))
            self.calls += requests_of(self._inner, texts)
        return vectors


class Embedding:
    """What one run of a copy embeds; made by ``opened``. May be used from many threads.

    Args:
        embedder: Through its cache.
        counting: Inside the cache.
        without_text: What becomes of records without a text.
        figures: What is counted.
        retry: Makes the calls.
    """

    def __init__(
        self,
        embedder: CachedEmbedder,
        counting: _Counting,
        without_text: WithoutText,
        figures: EmbeddingFigures,
        retry: RetryPolicy,
    ) -> None:
        self._embedder = embedder
        self._counting = counting
        self._without_text = without_text
        self._figures = figures
        self._retry = retry
        self._lock = Lock()

    def figures(self) -> EmbeddingFigures:
        """Return what was done so far."""
        asked = self._counting
        found = replace(self._figures, embedded=asked.texts, characters=asked.characters, calls=asked.calls)
        found.cached = max(0, found.texts - found.embedded)
        return found

    def rewrite(self, records: Records, refused: list[tuple[Record, VStoreError]]) -> Records:
        """Return the records with new vectors, without those to be left out.

        ``refused`` takes the records whose text the embedder refuses, with the errors.

        Raises:
            InvalidInput: A record has no text, and that is refused.
        """
        with_text, without = split_by_text(records)
        with self._lock:
            self._figures.texts += len(with_text)
            self._figures.without_text += len(without)
            self._figures.examples += [records.ids[p] for p in without[: _NAMED - len(self._figures.examples)]]
        return self._rewritten(records, with_text, without, refused)

    def again(self, records: Records, left_out: Set[str]) -> Records:
        """Return what ``rewrite`` gave; ``left_out`` are the ids of rejected records. Nothing is counted."""
        records = records.take([place for place, one in enumerate(records.ids) if one not in left_out])
        return self._rewritten(records, *split_by_text(records), None)

    def _rewritten(
        self,
        records: Records,
        with_text: list[int],
        without: list[int],
        refused: list[tuple[Record, VStoreError]] | None,
    ) -> Records:
        if without and self._without_text is WithoutText.REFUSE:
            raise without_text_refused(len(without), [records.ids[place] for place in without[:_NAMED]])
        made = self._embedded(records.take(with_text), refused)
        if without and self._without_text is WithoutText.KEEP:
            keeping = records.take(without)
            if keeping.vectors is None or keeping.vectors.shape[1] != self._embedder.dimension:
                raise InvalidInput(
                    f"the record {keeping.ids[0]!r} has no text, and its vector has another dimension than "
                    f"{self._embedder.name!r} makes",
                    hint="Pass --without-text skip to leave such records out.",
                    ids=keeping.ids[:_NAMED],
                )
            return Records.concat([made, keeping]).ordered(records.ids)
        return made

    def _embedded(self, records: Records, refused: list[tuple[Record, VStoreError]] | None) -> Records:
        texts = [text or "" for text in records.documents or ()]
        try:
            vectors = self._retry.call(partial(self._embedder.embed, texts))
        except (InvalidInput, LimitExceeded) as error:
            if refused is None:
                raise
            if len(records) == 1:
                refused.append((records[0], error))
                return replace(records[:0], vectors=np.empty((0, self._embedder.dimension), dtype=np.float32))
            half = len(records) // 2
            parts = records[:half], records[half:]
            return Records.concat([self._embedded(part, refused) for part in parts])
        return replace(records, vectors=vectors)


class Reembedded(Rewritten):
    """A source whose vectors are made of its documents as it is read.

    Args:
        source: What is read.
        rewrites: Applied before.
        info: What the rewritten source is.
        embed: Gives records new vectors, and leaves out those that get none.
        options: What becomes of records without a text.
    """

    def __init__(
        self, source: Source, rewrites: Sequence[Rewrite], info: CollectionInfo, embed: Rewrite, options: CopyOptions
    ) -> None:
        super().__init__(source, [*rewrites, embed], info)
        self._embed = embed
        self._options = options
        self._only = not rewrites

    def scan(
        self,
        *,
        where: Filter | None = None,
        batch_size: int = 1000,
        after: str | None = None,
        include: Sequence[IncludeName] = EVERYTHING,
    ) -> Iterator[Page]:
        """See ``Source``; nothing is embedded for a scan of ids."""
        if include or not self._only:
            yield from super().scan(where=where, batch_size=batch_size, after=after, include=include)
            return
        for page in self.source.scan(where=where, batch_size=batch_size, after=after, include=("documents",)):
            yield replace(page, records=Records(kept(page.records, self._options).ids))

    def get(self, ids: Sequence[str], *, include: Sequence[IncludeName] = EVERYTHING) -> Records:
        """See ``Source``; all columns come."""
        return self._embed(self.source.get(ids)) if self._only else super().get(ids, include=include)


def cache_path(options: CopyOptions) -> Path | None:
    """Return the file in which a copy keeps vectors; None for a temporary one."""
    if options.embed_cache is not None or options.state is None:
        return options.embed_cache
    return options.state / CACHE


@contextmanager
def opened(options: CopyOptions, info: CollectionInfo, retry: RetryPolicy) -> Iterator[Embedding | None]:
    """Open the cache of a copy that embeds, and yield what embeds; None for any other copy."""
    given = options.embed
    if given is None:
        yield None
        return
    with ExitStack() as stack:
        if isinstance(given, CachedEmbedder):
            counting = _Counting(given.inner)
            embedder = given.around(counting)
        else:
            path = cache_path(options)
            if path is None:
                made = TemporaryDirectory(prefix="vstore-", ignore_cleanup_errors=True)
                path = Path(stack.enter_context(made)) / CACHE
            counting = _Counting(given)
            embedder = cached(counting, path)
            stack.callback(embedder.close)
        figures = EmbeddingFigures(given.name, info.dimension, info.metric.value)
        yield Embedding(embedder, counting, options.without_text, figures, retry)


def close_embedder(embedder: Embedder | None) -> None:
    """Close the connections of an embedder, where it has any."""
    close = getattr(embedder, "close", None)
    if callable(close):
        close()
