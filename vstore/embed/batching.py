"""What embedders share: texts in batches, and word of how far they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from vstore.embedding import Embedder
from vstore.errors import InvalidInput, brief, reading

__all__ = ["OnProgress", "batches", "check_positive", "check_text", "check_texts", "chunk_of", "requests_of"]

OnProgress: TypeAlias = Callable[[int], None]
"""Called with the number of texts that one more request has embedded, maybe from another thread."""

_CHUNK: Final = 256


def chunk_of(embedder: Embedder) -> int:
    """How many texts an embedder has under way at once: its ``chunk``, where it has one."""
    return int(getattr(embedder, "chunk", _CHUNK))


def requests_of(embedder: Embedder, texts: Sequence[str]) -> int:
    """In how many requests an embedder embeds the texts of one call: as its ``requests`` says, or else in one."""
    counted = getattr(embedder, "requests", None)
    return int(counted(texts)) if callable(counted) else min(1, len(texts))


def batches(texts: Sequence[str], size: int, max_bytes: int | None = None) -> Iterator[list[str]]:
    """The texts in order, in lists of at most ``size`` texts and, but for one longer text, ``max_bytes`` of UTF-8."""
    texts, batch = check_texts(texts), list[str]()
    room = max_bytes
    for text in texts:
        length = len(text.encode()) if max_bytes is not None else 0
        if batch and (len(batch) == size or (room is not None and length > room)):
            yield batch
            batch, room = [], max_bytes
        batch.append(text)
        if room is not None:
            room -= length
    if batch:
        yield batch


def check_positive(name: str, value: object) -> None:
    """Raises ``InvalidInput`` unless ``value`` is an int of at least 1."""
    if type(value) is not int or value < 1:
        raise InvalidInput(f"{name} must be an int of at least 1, not {brief(value)}")


def check_text(name: str, value: object) -> None:
    """Raises ``InvalidInput`` unless ``value`` is a str."""
    if not isinstance(value, str):
        raise InvalidInput(f"{name} must be a str, not {brief(value)}")


def check_texts(texts: object) -> list[str]:
    """Texts as a list; raises ``InvalidInput`` for what is no list of str, and for one str, of which each letter is."""
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise InvalidInput(f"embed takes a list of str, not {type(texts).__name__}")
    with reading("texts"):
        found = list(texts)
    for place, text in enumerate(found):
        check_text(f"texts[{place}]", text)
    return found
