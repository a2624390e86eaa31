"""What a copy is asked to do, checked once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from vstore.errors import AlreadyExists, InvalidInput, Unsupported, VStoreError, brief, check_flag, plain
from vstore.filters.dictform import to_dict
from vstore.filters.tree import Filter
from vstore.regular import refuse_url
from vstore.transfer.endpoint import Target
from vstore.transfer.loss import Kind, parse_allowed
from vstore.transfer.pace import Pace
from vstore.transfer.report import VerifyMode
from vstore.transfer.transform import RecordMap, fingerprint

__all__ = ["Engine", "Mode", "Options", "occupied"]

MAX_WORKERS = 64


class Engine(StrEnum):
    """What moves the chunks."""

    THREADS = "threads"
    """Threads of this process."""
    RAY = "ray"
    """The workers of a Ray cluster."""


class Mode(StrEnum):
    """What to do with a target that holds records."""

    MERGE = "merge"
    """Keep them; records with the same id are replaced."""
    REPLACE = "replace"
    """Delete the collection and make it anew."""


def occupied(target: Target, records: int, mode: Mode | None) -> VStoreError | None:
    """Why a target that holds so many records must not be written to; None if it may be."""
    if not records or mode is Mode.REPLACE or (mode is Mode.MERGE and target.merges):
        return None
    merge = "--mode merge keeps those that the source lacks, " if target.merges else ""
    hint = f"{merge}--mode replace deletes {'the collection' if target.merges else 'it'} first."
    if mode is Mode.MERGE:
        return Unsupported(f"a data set of files is written once, and the target holds {records:,} records", hint=hint)
    return AlreadyExists(f"the target holds {records:,} records", hint=hint, backend=target.backend, operation="copy")


def _is_one(value: object, kind: type[StrEnum]) -> bool:
    return isinstance(value, str) and plain(value) in [one.value for one in kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """See ``copy``."""

    where: Filter | None
    transform: RecordMap | None
    mode: Mode | None
    allow: frozenset[Kind]
    workers: int
    engine: Engine
    pace: Pace
    max_errors: int
    chunk_rows: int | None
    verify: VerifyMode
    sample: int
    queries: int
    restart: bool
    state: Path | None
    dead_letters: Path | None

    @classmethod
    def checked(
        cls,
        *,
        where: Filter | None,
        transform: RecordMap | None,
        mode: Mode | str | None,
        allow: Iterable[str],
        workers: int,
        engine: Engine | str,
        retries: int,
        max_rps: float | None,
        max_errors: int,
        chunk_rows: int | None,
        verify: VerifyMode | str,
        sample: int,
        queries: int,
        restart: bool,
        state: Path | None,
        dead_letters: Path | None,
    ) -> Options:
        """The options; raises ``InvalidInput`` on those that cannot be."""
        for name, path in (("state", state), ("dead_letters", dead_letters)):
            if path is not None and not isinstance(path, Path):
                raise InvalidInput(f"{name} must be a pathlib.Path, not {brief(path)}")
            refuse_url(name, path)
        if where is not None and not isinstance(where, Filter):
            raise InvalidInput(
                f"where must be a filter, not {brief(where)}", hint="vstore.filters.parse makes one of a dict."
            )
        if transform is not None and not callable(transform):
            raise InvalidInput(f"transform must be a function, not {brief(transform)}")
        check_flag("restart", restart)
        if mode is not None and not _is_one(mode, Mode):
            raise InvalidInput(f"mode must be 'merge', 'replace' or None, not {brief(mode)}")
        if not _is_one(engine, Engine):
            raise InvalidInput(f"engine must be 'threads' or 'ray', not {brief(engine)}")
        if not _is_one(verify, VerifyMode):
            raise InvalidInput(f"verify must be 'full', 'sample' or 'none', not {brief(verify)}")
        for name, value, low, high in (
            ("workers", workers, 1, MAX_WORKERS),
            ("max_errors", max_errors, 0, 1_000_000),
            ("sample", sample, 1, 100_000_000),
            ("queries", queries, 0, 1_000),
            ("chunk_rows", 1 if chunk_rows is None else chunk_rows, 1, 1_000_000),
        ):
            if type(value) is not int or not low <= value <= high:
                raise InvalidInput(f"{name} must be an int from {low} to {high:,}, not {brief(value)}")
        return cls(
            where=where,
            transform=transform,
            mode=None if mode is None else Mode(mode),
            allow=parse_allowed(allow),
            workers=workers,
            engine=Engine(engine),
            pace=Pace(retries, max_rps),
            max_errors=max_errors,
            chunk_rows=chunk_rows,
            verify=VerifyMode(verify),
            sample=sample,
            queries=queries,
            restart=restart,
            state=state,
            dead_letters=dead_letters,
        )

    def binding(self) -> dict[str, Any]:
        """What must be the same in the next run for it to go on with this one."""
        return {
            "where": None if self.where is None else to_dict(self.where),
            "transform": None if self.transform is None else fingerprint(self.transform),
            "mode": self.mode,
            "allow": sorted(self.allow),
        }
