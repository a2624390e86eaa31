"""Moves chunks with the workers of a Ray cluster: the same plan, and the ledger where the command runs.

Each worker opens both ends itself, so both must be reached from every machine of the cluster: servers, or files on a
shared disk. It does one chunk at a time; the driver notes a chunk when the worker says that the target has
acknowledged it. Needs the extra ``ray``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from vstore.errors import BackendError, Unsupported, VStoreError
from vstore.filters.tree import Filter
from vstore.records import Record
from vstore.transfer.digest import Digest
from vstore.transfer.endpoint import Refuse, Source, Target
from vstore.transfer.ledger import Ledger
from vstore.transfer.moving import Interrupted, deliver, read_chunks
from vstore.transfer.pace import Pace
from vstore.transfer.plan import Chunk
from vstore.transfer.transform import Rewrite

__all__ = ["RayTransfer", "check_ends", "load_ray"]


def load_ray() -> Any:
    """The package ray; raises ``Unsupported`` where it is not installed."""
    try:
        return import_module("ray")
    except ImportError as error:
        raise Unsupported(
            f"the engine 'ray' needs the package ray: {error}", hint="Install it with pip install 'vstore-db[ray]'."
        ) from error


def check_ends(source: Source, target: Target) -> tuple[Callable[[], Source], Callable[[], Target]]:
    """How to open both ends elsewhere; raises ``Unsupported`` where one was not opened by URL."""
    left, right = (getattr(end, "reopen", None) for end in (source, target))
    if left is None or right is None:
        raise Unsupported("the engine 'ray' needs both ends opened by URL", hint="Use open_place.")
    return left, right


@dataclass(frozen=True, slots=True)
class _Recipe:
    """What a worker needs to begin."""

    source: Callable[[], Source]
    target: Callable[[], Target]
    where: Filter | None
    rewrites: Sequence[Rewrite]
    retries: int
    max_rps: float | None


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a chunk."""

    digest: Digest
    size: int
    refused: list[tuple[Record, VStoreError]]
    retried: int
    error: VStoreError | None = None


class _Mover:
    """What runs in a worker."""

    def __init__(self, recipe: _Recipe) -> None:
        self._recipe = recipe
        self._pace = Pace(recipe.retries, recipe.max_rps)
        self._refused: dict[str, tuple[Record, VStoreError]] = {}
        self._source = recipe.source()
        self._sink = recipe.target().sink(self._refuse)

    def move(self, chunk: Chunk) -> _Outcome:
        """Copies one chunk. An error is part of the outcome: Ray would wrap what is raised."""
        self._refused.clear()
        before = self._pace.retried
        try:
            [(_, records)] = read_chunks(self._source, [chunk], self._recipe.where, self._pace)
            digest, size = deliver(
                self._sink,
                chunk,
                records,
                self._recipe.rewrites,
                self._pace,
                self._refused.clear,
                lambda: self._refused.keys(),
            )
        except VStoreError as error:
            return _Outcome(Digest(), 0, list(self._refused.values()), self._pace.retried - before, error)
        return _Outcome(digest, size, list(self._refused.values()), self._pace.retried - before)

    def _refuse(self, chunk: int, record: Record, error: VStoreError) -> None:
        self._refused[record.id] = (record, error)


class RayTransfer:
    """Copies the chunks that a ledger has as pending; see ``Transfer``.

    Args:
        source: What to read; opened by URL, so that a worker can open it as well.
        target: Where to write; likewise, and there already.
        ledger: The plan, and what of it is done.
        where: The plan's filter.
        rewrites: What is done to records between reading and writing.
        workers: How many workers, of one processor each.
        pace: Its bounds hold for all workers together.
        refuse: Takes the records that the target does not.
        on_chunk: Called with the number of records and bytes of each chunk that is done.
    """

    def __init__(
        self,
        source: Source,
        target: Target,
        ledger: Ledger,
        *,
        where: Filter | None,
        rewrites: Sequence[Rewrite],
        workers: int,
        pace: Pace,
        refuse: Refuse,
        on_chunk: Callable[[int, int], None],
    ) -> None:
        left, right = check_ends(source, target)
        rps = None if pace.max_rps is None else pace.max_rps / workers
        self._recipe = _Recipe(left, right, where, rewrites, pace.retries, rps)
        self._ledger = ledger
        self._workers = workers
        self._pace = pace
        self._refuse = refuse
        self._on_chunk = on_chunk

    def run(self) -> None:
        """See ``Transfer.run``."""
        ray = load_ray()
        if not ray.is_initialized():
            ray.init(log_to_driver=False, include_dashboard=False)  # joins the cluster of RAY_ADDRESS, if it is set
        waiting = deque(self._ledger.pending())
        kind = ray.remote(num_cpus=1, max_restarts=0)(_Mover)
        movers = [kind.remote(self._recipe) for _ in range(min(self._workers, len(waiting)))]
        running: dict[Any, tuple[Any, Chunk]] = {}
        failed: BaseException | None = None
        interrupted = False
        try:
            for mover in movers:
                chunk = waiting.popleft()
                running[mover.move.remote(chunk)] = (mover, chunk)
            while running:
                try:
                    [ready], _ = ray.wait(list(running), num_returns=1)
                    mover, chunk = running.pop(ready)
                    self._note(chunk, ray.get(ready))
                except KeyboardInterrupt:
                    interrupted = True
                    waiting.clear()
                    continue
                except ray.exceptions.RayError as error:  # a worker died; its chunk was not noted, and is sent again
                    failed = failed or BackendError(f"a worker of Ray failed: {error}")
                    failed.__cause__ = error
                except Exception as error:  # noqa: BLE001 (raised again below, when the others are through)
                    failed = failed or error
                if failed is not None:
                    waiting.clear()
                if waiting:
                    following = waiting.popleft()
                    running[mover.move.remote(following)] = (mover, following)
        finally:
            for mover in movers:
                ray.kill(mover)
        if interrupted:
            raise Interrupted from failed
        if failed is not None:
            raise failed

    def _note(self, chunk: Chunk, outcome: _Outcome) -> None:
        self._pace.retried += outcome.retried
        self._ledger.begin_chunk(chunk.number)
        for record, error in outcome.refused:
            self._refuse(chunk.number, record, error)
        if outcome.error is not None:
            raise outcome.error
        self._ledger.done(chunk.number, outcome.size, outcome.digest)
        self._on_chunk(chunk.rows, outcome.size)
