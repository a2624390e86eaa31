"""The best path through chromadb itself, as its experts would write it; and the same with the contract's promises."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from struct import pack, unpack
from threading import Lock
from typing import Any

import chromadb
import numpy as np
from chromadb.config import Settings

from vstore import Records

__all__ = ["EXACT_YEARS", "ExactChroma", "RawChroma", "checked", "compared", "is_lost", "ordered", "stored"]

_KEYS = frozenset(("year", "lang", "price", "open"))
_INEXACT = "inexact:"  # before the key of a float that Chroma would change
TEXTUAL = ("documents", "metadatas")


class RawChroma:
    """Embedded Chroma: NumPy arrays in, the largest batch the client takes."""

    def __init__(self, folder: Path, dimension: int) -> None:
        self._client = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
        self._batch = self._client.get_max_batch_size()
        self._collection: Any = None

    def create(self, name: str, m: int = 16, ef: int = 100) -> None:
        self._collection = self._client.create_collection(
            name,
            embedding_function=None,
            configuration={"hnsw": {"space": "l2", "max_neighbors": m, "ef_construction": ef, "ef_search": ef}},
        )

    def ingest(self, records: Records) -> None:
        for start in range(0, len(records), self._batch):
            part = records[start : start + self._batch]
            self._collection.add(part.ids, part.vectors, part.metadatas, part.documents)

    def query(self, vector: np.ndarray, k: int) -> Any:
        return self._collection.query(
            query_embeddings=vector[None], n_results=k, include=["documents", "metadatas", "distances"]
        )

    def query_filtered(self, vector: np.ndarray, k: int) -> Any:
        return self._collection.query(
            query_embeddings=vector[None],
            n_results=k,
            where={"year": {"$gte": 2010}},
            include=["documents", "metadatas", "distances"],
        )

    def scan(self) -> int:
        """By ids, as a scan that must not lose rows has to; offsets skip rows while others write."""
        rows = 0
        ids = sorted(self._collection.get(include=[])["ids"])
        for start in range(0, len(ids), 1000):
            page = self._collection.get(ids[start : start + 1000], include=["embeddings", "documents", "metadatas"])
            rows += len(np.asarray(page["embeddings"], dtype=np.float32))
        return rows

    def drop(self, name: str) -> None:
        self._client.delete_collection(name)

    def close(self) -> None:
        self._client.close()


class ExactChroma(RawChroma):
    """The same with what vstore promises of these records, by hand: the floor under the same answers.

    It knows the four keys of the workload, one metric and one filter, and it does no more than these promises ask:

    - ADD-1: a call with an id that exists writes nothing. Chroma would ignore the id. So each call asks for its ids
      first, under a lock that all writes take.
    - ID-1, ID-2, VEC-1, META-1, DOC-1: ids are distinct texts, vectors finite float32 of the collection's dimension,
      documents texts without NUL. Metadata have known keys with values of the four types. All is checked before
      anything is sent.
    - META-2: a float comes back as it was. Chroma's JSON reader changes those of more than 15 digits. They stand beside
      their key, as an int in the same order, and a filter asks for both forms.
    - META-2: a list that Chroma left behind, of a dropped collection, is no value of a record.
    - FLT-2, FLT-4: a text is in no ordering with a number, a record without the key neither. Chroma does it by itself.
    - MET-1 to MET-3: distances are not squared, in float64. Where a square is so small that float32 loses it, the
      vectors are read and compared again.
    - QRY-2: hits come by distance, and then by id.
    - QRY-4: k hits come where k records match. Where the index finds fewer, all that match are compared.
    - SCAN-1, SCAN-2: each record comes once, by ascending id, whatever is written meanwhile.
    """

    def __init__(self, folder: Path, dimension: int) -> None:
        super().__init__(folder, dimension)
        self._dimension = dimension
        self._lock = Lock()

    def ingest(self, records: Records) -> None:
        ids, vectors, documents, metadatas = records.ids, records.vectors, records.documents, records.metadatas
        if not all(type(one) is str and one for one in ids) or len(set(ids)) < len(ids):
            raise ValueError("ids are distinct texts")
        vectors = checked(vectors, 2, self._dimension)
        if not len(ids) == len(vectors) == len(documents) == len(metadatas):
            raise ValueError("the columns have one length")
        if not all(type(text) is str and "\x00" not in text for text in documents):
            raise ValueError("documents are texts without NUL")
        kept = [stored(metadata) for metadata in metadatas]
        with self._lock:
            for start in range(0, len(ids), self._batch):
                if self._collection.get(ids[start : start + self._batch], include=[])["ids"]:
                    raise ValueError("records exist already")
            for start in range(0, len(ids), self._batch):
                part = slice(start, start + self._batch)
                self._collection.add(ids[part], vectors[part], kept[part], documents[part])

    def query(self, vector: np.ndarray, k: int) -> Any:
        return self._nearest(vector, k, None)

    def query_filtered(self, vector: np.ndarray, k: int) -> Any:
        return self._nearest(vector, k, EXACT_YEARS)

    def _nearest(self, vector: np.ndarray, k: int, where: Any) -> Any:
        vector = checked(vector, 1, self._dimension)
        found = self._collection.query(
            query_embeddings=vector[None],
            n_results=k,
            where=where,
            include=["documents", "metadatas", "distances"],
        )
        ids, squares = found["ids"][0], np.asarray(found["distances"][0], dtype=np.float64)
        few = len(ids) < k and len(ids) < len(self._collection.get(where=where, include=[])["ids"])
        if few or is_lost(squares, vector):
            return compared(vector, k, self._collection.get(where=where, include=["embeddings", *TEXTUAL]))
        return ordered(ids, np.sqrt(squares), found["documents"][0], found["metadatas"][0])

    def scan(self) -> int:
        rows = 0
        ids = sorted(self._collection.get(include=[])["ids"])
        for start in range(0, len(ids), 1000):
            wanted = ids[start : start + 1000]
            page = self._collection.get(wanted, include=["embeddings", "documents", "metadatas"])
            place = {one: number for number, one in enumerate(page["ids"])}  # Chroma answers in an order of its own
            order = [place[one] for one in wanted if one in place]
            vectors = np.asarray(page["embeddings"], dtype=np.float32)[order]
            documents = [page["documents"][number] for number in order]
            metadatas = [_read(page["metadatas"][number]) for number in order]
            rows += len(vectors) if len(documents) == len(metadatas) else 0
        return rows


def checked(vectors: Any, axes: int, dimension: int) -> np.ndarray:
    """Vectors in float32; raises for some that are none."""
    vectors = np.asarray(vectors)
    if vectors.ndim != axes or vectors.shape[-1] != dimension:
        raise ValueError("vectors have the collection's dimension")
    vectors = vectors.astype(np.float32, copy=False)
    if not np.isfinite(vectors).all():
        raise ValueError("vectors are finite")
    return vectors


def is_lost(squares: np.ndarray, vector: np.ndarray) -> bool:
    """Whether a square in float32 may be off by more than 1e-5 of the distance, as those of very short vectors are."""
    small = float(squares.min(initial=np.inf)) < len(vector) * 6e-34
    return small and float(np.linalg.norm(vector.astype(np.float64))) < 1e-11


def compared(vector: np.ndarray, k: int, found: Any) -> Any:
    """The k nearest of records that have their vectors."""
    vectors = np.asarray(found["embeddings"], dtype=np.float32).astype(np.float64)  # a server writes them as decimals
    apart = vectors.reshape(-1, len(vector)) - vector
    distances = np.sqrt(np.einsum("ij,ij->i", apart, apart))
    order = sorted(range(len(distances)), key=lambda place: (distances[place], found["ids"][place]))[:k]
    columns = ([found[name][place] for place in order] for name in TEXTUAL)
    return ordered([found["ids"][place] for place in order], distances[order], *columns)


def ordered(ids: list[str], distances: np.ndarray, documents: list[Any], metadatas: list[Any]) -> Any:
    """Hits by distance and then id: ids, documents, metadata, distances and scores."""
    order = distances.argsort().tolist()
    if len(np.unique(distances)) < len(distances):
        order.sort(key=lambda place: (distances[place], ids[place]))
    distances = distances[order]
    columns = ([column[place] for place in order] for column in (ids, documents))
    return *columns, [_read(metadatas[place]) for place in order], distances, -distances


def stored(metadata: dict[str, Any]) -> dict[str, Any]:
    """Metadata as they stand in Chroma; raises for some that are none."""
    out = {}
    for key, value in metadata.items():
        if key not in _KEYS or type(value) not in (str, int, float, bool):
            raise ValueError("metadata have the keys of the workload, and plain values")
        if type(value) is int and not -(1 << 63) <= value < 1 << 63:
            raise ValueError("ints have 64 bits")
        if type(value) is float and not (1e-7 < abs(value) < 1e22 and float(f"{value:.15g}") == value) and value:
            if not isfinite(value):
                raise ValueError("floats are finite")
            out[_INEXACT + key] = _image(value)
        else:
            out[key] = value
    return out


def _read(metadata: dict[str, Any] | None) -> dict[str, Any]:
    if metadata is None:
        return {}
    for name, value in metadata.items():
        if type(value) is list or name.startswith(_INEXACT):
            kept = {key: one for key, one in metadata.items() if type(one) is not list}
            return dict(_float(key, one) if key.startswith(_INEXACT) else (key, one) for key, one in kept.items())
    return metadata


def _image(value: float) -> int:
    bits: int = unpack("<q", pack("<d", value))[0]
    return bits if bits >= 0 else -(bits & ((1 << 63) - 1))


def _float(name: str, number: int) -> tuple[str, float]:
    value: float = unpack("<d", pack("<q", abs(number)))[0]
    return name.removeprefix(_INEXACT), value if number >= 0 else -value


EXACT_YEARS = {"$or": [{"year": {"$gte": 2010}}, {_INEXACT + "year": {"$gte": _image(2010.0)}}]}
