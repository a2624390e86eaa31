"""``bm25``: sparse vectors of weighted terms, without a model (Robertson and Zaragoza, doi:10.1561/1500000019)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vstore.embed.batching import OnProgress, check_texts
from vstore.embed.statistics import TermStatistics, counted
from vstore.embed.tokens import Terms, index_of
from vstore.errors import InvalidInput, brief
from vstore.sparse import SparseArray, SparseVector

__all__ = ["BM25", "bm25"]

_CHUNK: Final = 1000


def bm25(
    *,
    stemmer: str | None = "english",
    cjk: str = "bigrams",
    tokenizer: Callable[[str], Sequence[str]] | None = None,
    tokenizer_name: str = "",
    k1: float = 1.2,
    b: float = 0.75,
    avgdl: float = 256.0,
    statistics: TermStatistics | None = None,
    on_progress: OnProgress | None = None,
) -> BM25:
    """Return a sparse embedder that weighs the words of a text as BM25 does.

    A document's vector holds for each of its terms the part of BM25 that depends on the document alone,
    ``tf · (k1 + 1) / (tf + k1 · (1 - b + b · length / avgdl))``. A question's vector holds the rest, the terms'
    ``ln(1 + (N - df + 0.5) / (df + 0.5))``. The product of both is the BM25 score. So new documents, and new
    statistics, never change the vectors that are stored.

    ``avgdl`` is a constant and part of the name, because all vectors of a collection must be made with one. Take about
    the number of terms of an average document: off by a quarter it changes one in 25 of the first ten hits, by a
    factor of two one in nine.

    Questions need the statistics of the documents. ``BM25.learn`` counts them in one scan.

    Args:
        stemmer: A language of the Snowball stemmers (extra ``bm25``), such as ``"english"``, ``"german"`` or
            ``"russian"``; None compares words as they stand.
        cjk: How runs of Chinese, Japanese and Korean become terms: ``"bigrams"``, pairs of neighbouring characters, or
            ``"jieba"``, Chinese words of jieba's dictionary (extra ``jieba``).
        tokenizer: Your own function from a text to a list of terms, in place of all this. It may be called from
            several threads.
        tokenizer_name: Names ``tokenizer``; change it when the function changes.
        k1: How much repeated terms count, at least 0.
        b: How much the length of a document counts, 0 to 1.
        avgdl: Terms of an average document, above 0.
        statistics: What ``learn`` returned before.
        on_progress: Called with the number of texts after each batch.

    Raises:
        InvalidInput: A setting is not legal.
        Unsupported: PyStemmer or jieba is needed and not installed.

    Example:
        >>> from vstore import embed
        >>> embed.bm25(stemmer=None).embed_sparse(["rain in Beijing"]).lengths.tolist()
        [3]
    """
    if tokenizer is not None and not callable(tokenizer):
        raise InvalidInput(f"tokenizer must be a function from a text to its terms, not {brief(tokenizer)}")
    if (tokenizer is None) != (tokenizer_name == "") or not isinstance(tokenizer_name, str):
        raise InvalidInput("tokenizer and tokenizer_name go together", hint="The name is stored with the collection.")
    if tokenizer_name and not (tokenizer_name.isascii() and tokenizer_name.replace("-", "").isalnum()):
        raise InvalidInput(f"tokenizer_name must be letters, digits and -, not {brief(tokenizer_name)}")
    terms = Terms(stemmer, cjk, tokenizer, tokenizer_name)
    terms.check()
    return BM25(
        terms,
        k1=_number("k1", k1, 0.0, 1000.0),
        b=_number("b", b, 0.0, 1.0),
        avgdl=_number("avgdl", avgdl, 1e-3, 1e9),
        statistics=statistics,
        on_progress=on_progress,
    )


def _number(name: str, value: object, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InvalidInput(f"{name} must be a number from {low:g} to {high:g}, not {brief(value)}")
    return float(value)


def _counted(terms: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.float64]]:
    """The distinct terms by their index, ascending, and how often each is there; both of shape (n,)."""
    counts = Counter(map(index_of, terms))
    indices = np.fromiter(counts, np.uint32, len(counts))
    order = np.argsort(indices)
    return indices[order], np.fromiter(counts.values(), np.float64, len(counts))[order]


class BM25:
    """A sparse embedder for documents; its ``queries`` embeds questions. Made by ``bm25``.

    Attributes:
        name: Names everything that changes a document's vector.
        statistics: What questions are weighed by; None before ``learn``.
    """

    def __init__(
        self,
        terms: Terms,
        *,
        k1: float,
        b: float,
        avgdl: float,
        statistics: TermStatistics | None,
        on_progress: OnProgress | None,
    ) -> None:
        self._terms = terms
        self._k1, self._b, self._avgdl = k1, b, avgdl
        self._progress = on_progress
        self.name = f"bm25:?{terms.name}&k1={k1:g}&b={b:g}&avgdl={avgdl:g}"
        self.statistics = statistics
        if statistics is not None:
            self._check(statistics)

    def __repr__(self) -> str:
        return f"<{self.name}, {self.statistics or 'no statistics'}>"

    @property
    def queries(self) -> BM25Queries:
        """The embedder of texts that ask."""
        return BM25Queries(self)

    @property
    def terms(self) -> str:
        """What makes terms of texts, as ``TermStatistics.terms`` names it."""
        return self._terms.name

    def embed_sparse(self, texts: Sequence[str]) -> SparseArray:
        """Return one vector a text: of a text without terms an empty one, which means that it has none."""
        rows = []
        for place, text in enumerate(check_texts(texts)):
            rows.append(self._document(text))
            if self._progress is not None and (place + 1) % _CHUNK == 0:
                self._progress(_CHUNK)
        if self._progress is not None and len(rows) % _CHUNK:
            self._progress(len(rows) % _CHUNK)
        return SparseArray.stack(rows)

    def learn(self, texts: Iterable[str]) -> TermStatistics:
        """Return the statistics of some texts; ``+`` adds those of more.

        Nothing of this embedder changes: set ``statistics``, or pass them to ``bm25``.
        """
        if isinstance(texts, str):
            raise InvalidInput("learn takes texts, not one str", hint="Pass a list.")
        total, batch = TermStatistics.empty(self.terms), list[str]()
        for text in texts:
            batch.append(text)
            if len(batch) == _CHUNK:
                total, batch = total + self._count(batch), []
        return total + self._count(batch)

    def _count(self, texts: Sequence[str]) -> TermStatistics:
        listed = [self._terms.of(text) for text in check_texts(texts)]
        return counted(self.terms, ((_counted(terms)[0], len(terms)) for terms in listed))

    def _document(self, text: str) -> SparseVector:
        terms = self._terms.of(text)
        norm = self._k1 * (1 - self._b + self._b * len(terms) / self._avgdl)
        indices, counts = _counted(terms)
        return SparseVector(indices, (counts * (self._k1 + 1) / (counts + norm)).astype(np.float32))

    def _question(self, text: str) -> SparseVector:
        if self.statistics is None:
            raise InvalidInput(
                "BM25 weighs the words of a question by how many documents have them, and has no statistics yet",
                hint="Call vstore.embed.learn(collection, embedder), or set statistics to what learn returned before.",
            )
        self._check(self.statistics)
        indices, counts = _counted(self._terms.of(text))
        known = self.statistics.of(indices).astype(np.float64)
        others = np.maximum(self.statistics.documents - known, 0)  # two terms may share an index
        return SparseVector(indices, (counts * np.log1p((others + 0.5) / (known + 0.5))).astype(np.float32))

    def _check(self, statistics: TermStatistics) -> None:
        if not isinstance(statistics, TermStatistics) or statistics.terms != self.terms:
            told = statistics.terms if isinstance(statistics, TermStatistics) else type(statistics).__name__
            raise InvalidInput(f"the statistics are of {told!r}, and the embedder's terms are {self.terms!r}")


class BM25Queries:
    """The embedder of questions, which weighs their terms by the statistics of the documents."""

    def __init__(self, documents: BM25) -> None:
        self._documents = documents
        self.name = documents.name

    def embed_sparse(self, texts: Sequence[str]) -> SparseArray:
        """Return one vector a text; raises ``InvalidInput`` where there are no statistics."""
        return SparseArray.stack([self._documents._question(text) for text in check_texts(texts)])
