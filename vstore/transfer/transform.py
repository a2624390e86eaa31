"""Rewriting records on their way: a user's function, and what a target needs that lacks something."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Final, TypeAlias

import numpy as np

from vstore.capabilities import Exactness
from vstore.errors import InvalidInput, VStoreError
from vstore.filters.tree import Filter
from vstore.info import CollectionInfo
from vstore.records import IncludeName, Metadata, Page, Record, Records, VectorArray
from vstore.spi.codec import to_json
from vstore.transfer.endpoint import EVERYTHING, Source
from vstore.transfer.fields import fields_of
from vstore.wording import a_type

__all__ = ["RecordMap", "Rewrite", "Rewritten", "fingerprint", "load_transform", "mapping_each", "nested_as_json"]

RecordMap: TypeAlias = Callable[[Record], Record | None]
"""Gives the record to write in place of one, or None to leave it out. It runs again in a resume and in verify:
the same record must give the same answer. A named field that the answer lacks is absent."""

Rewrite: TypeAlias = Callable[[Records], Records]


_HINT: Final = "Write module:function, or ./file.py:function."


def load_transform(name: str) -> RecordMap:
    """The function that ``module:function`` or ``file.py:function`` names.

    A file of the module's name in the working directory is taken before anything that is installed. It is loaded by
    its path, and what it imports is looked for in its own directory last: a ``psycopg.py`` that lies there does not
    take the client's place.

    Raises:
        InvalidInput: There is none, or it cannot be loaded.
    """
    module, colon, attribute = name.rpartition(":")
    if ":" in module:  # a URL, which is not repeated
        raise InvalidInput("--transform takes the name of one function", hint=_HINT)
    if not colon or not module or not attribute:
        raise InvalidInput(f"{name!r} does not name a function", hint=_HINT)
    file = Path(module if module.endswith(".py") or "/" in module else f"{module}.py").absolute()
    try:
        with _looked_in_last(file.parent if file.is_file() else Path.cwd()):
            loaded = _of_file(file) if file.is_file() else importlib.import_module(module)
        function: RecordMap = getattr(loaded, attribute)
    except Exception as error:
        raise InvalidInput(f"{name!r} cannot be loaded: {type(error).__name__}: {error!s:.200}", hint=_HINT) from error
    if not callable(function):
        raise InvalidInput(f"{name!r} is not a function, but {a_type(type(function))}")
    return function


@contextmanager
def _looked_in_last(folder: Path) -> Iterator[None]:
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _of_file(file: Path) -> ModuleType:
    """The module of a file, under a name that no other has."""
    name = f"vstore_transform_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no file of Python")
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made  # dataclasses look their module up there
    try:
        spec.loader.exec_module(made)
    finally:
        del sys.modules[name]  # what no module holds Ray sends to its workers whole, who could not import it
    return made


def fingerprint(function: RecordMap) -> str:
    """Names a function and, where its source is at hand, what it does: a resume refuses another."""
    name = f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', type(function).__name__)}"
    try:
        return f"{name} {sha256(inspect.getsource(function).encode()).hexdigest()[:16]}"
    except (OSError, TypeError):
        return name


def mapping_each(function: RecordMap, *, vectors: bool = True) -> Rewrite:
    """A rewrite of columns that calls ``function`` for each record.

    Args:
        function: The function.
        vectors: Whether it gives vectors; otherwise those it gives are dropped, as others are made of the texts.
    """

    def rewrite(records: Records) -> Records:
        made: list[Record] = []
        for record in records:
            try:
                answer = function(record)
            except Exception as error:
                if isinstance(error, VStoreError):
                    raise
                raise InvalidInput(
                    f"the transform failed on record {record.id!r}: {type(error).__name__}: {error}", ids=[record.id]
                ) from error
            if answer is None:
                continue
            if not isinstance(answer, Record) or (vectors and records.vectors is not None and answer.vector is None):
                raise InvalidInput(
                    f"the transform gave {type(answer).__name__} for record {record.id!r}",
                    hint="It gives a Record with a vector, or None to leave the record out.",
                    ids=[record.id],
                )
            made.append(answer)
        return Records(
            [record.id for record in made],
            _vectors(made, records) if vectors else None,
            [record.document for record in made],
            [record.metadata or {} for record in made],
            fields_of(made, records.fields),
        )

    return rewrite


def _vectors(made: Sequence[Record], given: Records) -> VectorArray | None:
    """The vectors without a name; None where the source has none."""
    if given.vectors is None:
        return None
    vectors = [np.asarray(record.vector, dtype=np.float32) for record in made]
    for record, vector in zip(made, vectors, strict=True):
        if vector.shape != vectors[0].shape:
            raise InvalidInput(
                f"the transform gave vectors of {vectors[0].size:,} dimensions, and of {vector.size:,} for record "
                f"{record.id!r}",
                hint="All vectors of a collection have one dimension.",
                ids=[record.id],
            )
    return np.stack(vectors) if made else given.vectors[:0]


def nested_as_json(records: Records) -> Records:
    """Dicts inside metadata as JSON texts, for a target that has flat metadata."""
    if records.metadatas is None:
        return records
    return replace(records, metadatas=[_flat(metadata) for metadata in records.metadatas])


def _flat(metadata: Metadata) -> Metadata:
    if not any(isinstance(value, dict) for value in metadata.values()):
        return metadata
    return {key: to_json(value) if isinstance(value, dict) else value for key, value in metadata.items()}


class Rewritten:
    """A source whose records are rewritten as they are read; it can be scanned and counted, by reading all of it.

    Args:
        source: What is read.
        rewrites: Applied one after the other.
        info: What the rewritten source is; by default what the source is.

    Attributes:
        source: As given.
    """

    def __init__(self, source: Source, rewrites: Sequence[Rewrite], info: CollectionInfo | None = None) -> None:
        self.source = source
        self._rewrites = rewrites
        self._info = info or source.info

    @property
    def identity(self) -> str:
        """See ``Source``."""
        return self.source.identity

    @property
    def backend(self) -> str:
        """See ``Source``."""
        return self.source.backend

    @property
    def info(self) -> CollectionInfo:
        """See ``Source``."""
        return self._info

    @property
    def cosine_exactness(self) -> Exactness:
        """See ``Source``."""
        return self.source.cosine_exactness

    def count(self, where: Filter | None = None) -> int:
        """See ``Source``."""
        return sum(len(page.records) for page in self.scan(where=where, include=()))

    def scan(
        self,
        *,
        where: Filter | None = None,
        batch_size: int = 1000,
        after: str | None = None,
        include: Sequence[IncludeName] = EVERYTHING,
    ) -> Iterator[Page]:
        """See ``Source``; all columns come, whatever ``include`` says, since a rewrite may need them."""
        for page in self.source.scan(where=where, batch_size=batch_size, after=after):
            records = page.records
            for rewrite in self._rewrites:
                records = rewrite(records)
            yield replace(page, records=records)

    def get(self, ids: Sequence[str], *, include: Sequence[IncludeName] = EVERYTHING) -> Records:
        """Not to be had: a rewrite may change ids."""
        raise NotImplementedError

    def close(self) -> None:
        """See ``Source``."""
        self.source.close()
