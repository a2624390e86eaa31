"""One vector as bytes or as text, for databases that have no column for it: bit for bit, and checked when it is read.

A dense vector is its float32 components, a sparse one its uint32 indices and then its float32 values, little-endian.
The text is base64 of that, without line breaks. An adapter that keeps vectors so compares them itself
(``vstore.spi.scores``).
"""

from __future__ import annotations

from base64 import b64decode, b64encode

import numpy as np

from vstore.columns import VectorArray
from vstore.sparse import SparseVector
from vstore.sparse_input import MAX_INDEX, MAX_VALUE, MIN_VALUE

__all__ = ["from_text", "pack_dense", "pack_sparse", "to_text", "unpack_dense", "unpack_sparse"]


def pack_dense(vector: VectorArray) -> bytes:
    """Return a dense vector of shape (d,) as 4 d bytes."""
    return vector.astype("<f4", copy=False).tobytes()


def unpack_dense(data: bytes, dimension: int) -> VectorArray:
    """Return the vector that ``pack_dense`` wrote.

    Raises:
        ValueError: The data are of another dimension, or hold NaN or inf.
    """
    if len(data) != 4 * dimension:
        raise ValueError(f"{len(data)} bytes are no vector of {dimension} dimensions")
    vector = np.frombuffer(data, dtype="<f4").astype(np.float32)
    if not np.isfinite(vector).all():
        raise ValueError("a component is not finite")
    return vector


def pack_sparse(vector: SparseVector) -> bytes:
    """Return a sparse vector of v values as 8 v bytes."""
    return vector.indices.astype("<u4", copy=False).tobytes() + vector.values.astype("<f4", copy=False).tobytes()


def unpack_sparse(data: bytes) -> SparseVector:
    """Return the vector that ``pack_sparse`` wrote.

    Raises:
        ValueError: The data are cut, their indices do not ascend, or a value is outside the contract.
    """
    if len(data) % 8:
        raise ValueError(f"{len(data)} bytes are no sparse vector")
    half = len(data) // 2
    indices = np.frombuffer(data[:half], dtype="<u4").astype(np.uint32)
    values = np.frombuffer(data[half:], dtype="<f4").astype(np.float32)
    if (indices[1:] <= indices[:-1]).any() or (len(indices) and indices[-1] > MAX_INDEX):
        raise ValueError("the indices do not ascend to 2**32 - 3 at most")
    if not ((values >= np.float32(MIN_VALUE)) & (values <= np.float32(MAX_VALUE))).all():
        raise ValueError("a value is outside 1e-15 to 1e15")
    return SparseVector(indices, values)


def to_text(data: bytes) -> str:
    """Return packed data as text, four characters for three bytes."""
    return b64encode(data).decode("ascii")


def from_text(text: str) -> bytes:
    """Return the data that ``to_text`` wrote; raises ``ValueError`` for any other text."""
    return b64decode(text.encode("ascii"), validate=True)
