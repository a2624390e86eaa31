"""Moves chunks with the workers of a Ray cluster: the same plan, and the checkpoint where the command runs.

Each worker opens both ends itself, so both must be reached from every machine of the cluster: servers, or files on a
shared disk. It does one chunk at a time; the driver notes a chunk when the worker returns, which it does after the
target's acknowledgement. Needs the extra ``ray``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from vstore.errors import BackendError, Unsupported, VStoreError
from vstore.filters.tree import Filter
from vstore.records import Record
from vstore.transfer.calls import RetryPolicy
from vstore.transfer.endpoint import Source, Target
from vstore.transfer.engine import Interrupted, TransferJob, read_chunks, write_chunk
from vstore.transfer.equality import Digest
from vstore.transfer.plan import Chunk
from vstore.transfer.transform import Rewrite

__all__ = ["RayEngine", "check_ends", "load_ray"]


def load_ray() -> Any:
    """Returns the package ray; raises ``Unsupported`` where it is not installed."""
    try:
        return import_module("ray")
    except ImportError as error:
        raise Unsupported(
            f"the engine 'ray' needs the package ray: {error}", hint="Install it with pip install 'vstore-db[ray]'."
        ) from error


def check_ends(source: Source, target: Target) -> tuple[Callable[[], Source], Callable[[], Target]]:
    """Returns how to open both ends elsewhere; raises ``Unsupported`` where one was not opened by URL."""
    left, right = (getattr(end, "reopen", None) for end in (source, target))
    if left is None or right is None:
        raise Unsupported("the engine 'ray' needs both ends opened by URL", hint="Open them with open_location.")
    return left, right


@dataclass(frozen=True, slots=True)
class _Recipe:
    """What a worker needs to begin."""

    source: Callable[[], Source]
    target: Callable[[], Target]
    where: Filter | None
    rewrites: Sequence[Rewrite]
    claims: bool
    retries: int
    max_rps: float | None


@dataclass(slots=True)
class _Outcome:
    """What became of a chunk; ``ids`` are those that it has written, where they are to be claimed."""

    digest: Digest = field(default_factory=Digest)
    size: int = 0
    rejected: list[tuple[Record, VStoreError]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    retried: int = 0
    error: VStoreError | None = None


class _ChunkWorker:
    """What runs in a worker."""

    def __init__(self, recipe: _Recipe) -> None:
        self._recipe = recipe
        self._retry = RetryPolicy(recipe.retries, recipe.max_rps)
        self._rejected: dict[str, tuple[Record, VStoreError]] = {}
        self._source = recipe.source()
        self._sink = recipe.target().sink(self._reject)

    def move(self, chunk: Chunk) -> _Outcome:
        """Copies one chunk. An error is part of the outcome: Ray would wrap what is raised."""
        self._rejected.clear()
        before, outcome = self._retry.retried, _Outcome()
        try:
            [(_, records)] = read_chunks(self._source, [chunk], self._recipe.where, self._retry)
            outcome.digest, outcome.size = write_chunk(
                self._sink,
                chunk,
                records,
                self._recipe.rewrites,
                self._retry,
                claim=outcome.ids.extend if self._recipe.claims else lambda _: None,
                begin=self._rejected.clear,
                rejected=lambda: self._rejected.keys(),
            )
        except VStoreError as error:
            outcome.error = error
        outcome.rejected = list(self._rejected.values())
        outcome.retried = self._retry.retried - before
        return outcome

    def _reject(self, chunk: int, record: Record, error: VStoreError) -> None:
        self._rejected[record.id] = (record, error)


class RayEngine:
    """Implements ``Engine`` with the workers of a Ray cluster, of one processor each.

    Args:
        job: What to move. Its ends were opened by URL, so that a worker can open them as well; the bounds of its retry
            policy hold for all workers together.
    """

    def __init__(self, job: TransferJob) -> None:
        left, right = check_ends(job.source, job.target)
        max_rps = job.retry.limiter.max_rps
        rps = None if max_rps is None else max_rps / job.workers
        self._recipe = _Recipe(left, right, job.where, job.rewrites, job.claims, job.retry.retries, rps)
        self._job = job

    def run(self) -> None:
        """See ``Engine``."""
        ray = load_ray()
        if not ray.is_initialized():
            ray.init(log_to_driver=False, include_dashboard=False)  # joins the cluster of RAY_ADDRESS, if it is set
        waiting = deque(self._job.checkpoint.pending())
        actor = ray.remote(num_cpus=1, max_restarts=0)(_ChunkWorker)
        workers = [actor.remote(self._recipe) for _ in range(min(self._job.workers, len(waiting)))]
        running: dict[Any, tuple[Any, Chunk]] = {}
        failed: BaseException | None = None
        interrupted = False
        try:
            for worker in workers:
                chunk = waiting.popleft()
                running[worker.move.remote(chunk)] = (worker, chunk)
            while running:
                try:
                    [ready], _ = ray.wait(list(running), num_returns=1)
                    worker, chunk = running.pop(ready)
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
                    running[worker.move.remote(following)] = (worker, following)
        finally:
            for worker in workers:
                ray.kill(worker)
        if interrupted:
            raise Interrupted from failed
        if failed is not None:
            raise failed

    def _note(self, chunk: Chunk, outcome: _Outcome) -> None:
        job, checkpoint = self._job, self._job.checkpoint
        job.retry.retried += outcome.retried
        checkpoint.begin_chunk(chunk.number)
        for record, error in outcome.rejected:
            job.reject(chunk.number, record, error)
        if outcome.error is not None:
            raise outcome.error
        checkpoint.claim_ids(chunk.number, outcome.ids)
        checkpoint.done(chunk.number, outcome.size, outcome.digest)
        job.on_chunk(chunk.rows, outcome.size)
