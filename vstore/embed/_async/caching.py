"""Vectors from a cache, and from the embedder what is not there yet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vstore.embed.batching import OnProgress, check_texts
from vstore.embed.cachefile import CacheFile, Claims, digest
from vstore.embedding import Embedder, asking, check_answer
from vstore.records import VectorArray
from vstore.spi._async._run import embed, run_blocking, wait

__all__ = ["embed_through"]


async def embed_through(
    file: CacheFile,
    claims: Claims,
    model: str,
    inner: Embedder,
    texts: Sequence[str],
    chunk: int,
    on_progress: OnProgress | None,
) -> VectorArray:
    """One vector a text, shape (n, dimension); each text that has none is embedded once.

    Args:
        file: Where vectors are kept.
        claims: What other calls of this process embed at this moment.
        model: The model in the file.
        inner: The embedder.
        texts: Which texts.
        chunk: Texts embedded between two writes to the file.
        on_progress: Called with the number of texts behind each chunk.
    """
    texts = check_texts(texts)
    keys = [digest(text) for text in texts]
    asked = dict(zip(keys, texts, strict=True))
    found: dict[bytes, VectorArray] = {}
    while wanted := [key for key in asked if key not in found]:
        mine, others = claims.claim(wanted)
        try:
            if mine:
                found |= await run_blocking(file.load, model, mine)
            missing = [key for key in mine if key not in found]
            for start in range(0, len(missing), chunk):
                part = missing[start : start + chunk]
                with asking(inner):
                    answer = await embed(inner, [asked[key] for key in part])
                vectors = check_answer(inner, answer, len(part))
                await run_blocking(file.save, model, part, vectors)
                found |= zip(part, vectors, strict=True)
                if on_progress is not None:
                    on_progress(len(part))
        finally:
            claims.settle(mine, found)
        for key, future in others.items():
            if (vector := await wait(future)) is not None:  # None where the other call failed: ours is next
                found[key] = vector
    return np.stack([found[key] for key in keys]) if keys else np.empty((0, inner.dimension), dtype=np.float32)
