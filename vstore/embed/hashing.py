"""``lexical``: vectors of hashed character n-grams. No model, no download, no key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vstore.embed.batching import OnProgress, check_positive
from vstore.embed.functions import FunctionEmbedder
from vstore.errors import InvalidInput, brief, reading
from vstore.optional import load

__all__ = ["lexical"]

NGRAMS = (1, 3)


def lexical(
    dimension: int = 512, *, ngrams: tuple[int, int] = NGRAMS, on_progress: OnProgress | None = None
) -> FunctionEmbedder:
    """An embedder that compares texts by the characters they share.

    It is lexical, not semantic: "car" and "automobile" are strangers to it, "car" and "cars" are not. It needs no
    download and no key and works for Chinese as for English, which makes it right for examples, tests, near duplicates
    and names with typing errors. Every run of ``ngrams`` characters, in lower case, is hashed to one component
    (scikit-learn's ``HashingVectorizer``), and vectors have the norm 1. Needs the extra ``lexical``.

    Args:
        dimension: Components of a vector; the more, the fewer n-grams fall together. At least 16.
        ngrams: Shortest and longest run of characters, 1 to 8.
        on_progress: Called with the number of texts behind each batch.

    Raises:
        InvalidInput: A setting that is not legal; when it embeds, a text without any character.
        Unsupported: scikit-learn is not installed.
    """
    check_positive("dimension", dimension)
    if dimension < 16:
        raise InvalidInput(f"lexical needs a dimension of at least 16, not {brief(dimension)}")
    shortest, longest = _checked(ngrams)
    text = load("sklearn.feature_extraction.text", "lexical")
    vectorizer = text.HashingVectorizer(
        analyzer="char", ngram_range=(shortest, longest), n_features=dimension, norm="l2", dtype=np.float32
    )

    def call(texts: list[str]) -> Any:
        return _dense(vectorizer, texts)

    name = f"lexical:{dimension}?ngrams={shortest}-{longest}"
    return FunctionEmbedder(call, name, dimension, 1000, on_progress)


def _checked(ngrams: object) -> tuple[int, int]:
    with reading("ngrams"):
        match ngrams:
            case (int(shortest), int(longest)) if 1 <= shortest <= longest <= 8:
                return shortest, longest
    raise InvalidInput(f"ngrams must be two ints from 1 to 8, the shorter first, not {brief(ngrams)}")


def _dense(vectorizer: Any, texts: Sequence[str]) -> Any:
    array = vectorizer.transform(texts).toarray()
    some = array.any(axis=1)
    if not some.all():
        place = int(np.argmin(some))
        raise InvalidInput(
            f"the text at {place} has no characters to compare: {texts[place]!r:.80}", hint="Leave it out."
        )
    return array
