"""``copy``: its arguments, and who does what with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from vstore.errors import InvalidInput, VStoreError, brief
from vstore.filters.tree import Filter
from vstore.transfer.copying import Run
from vstore.transfer.endpoint import Source, Target
from vstore.transfer.ledger import Ledger
from vstore.transfer.options import Engine, Mode, Options
from vstore.transfer.pace import DEFAULT_RETRIES
from vstore.transfer.ray_engine import check_ends, load_ray
from vstore.transfer.report import Progress, Report, VerifyMode
from vstore.transfer.transform import RecordMap
from vstore.transfer.verify import DEFAULT_QUERIES, DEFAULT_SAMPLE

__all__ = ["copy"]


def copy(
    source: Source,
    target: Target,
    *,
    where: Filter | None = None,
    transform: RecordMap | None = None,
    mode: Mode | str | None = None,
    allow: Iterable[str] = (),
    workers: int = 1,
    engine: Engine | str = Engine.THREADS,
    retries: int = DEFAULT_RETRIES,
    max_rps: float | None = None,
    max_errors: int = 0,
    chunk_rows: int | None = None,
    verify: VerifyMode | str = VerifyMode.FULL,
    sample: int = DEFAULT_SAMPLE,
    queries: int = DEFAULT_QUERIES,
    state: Path | None = None,
    restart: bool = False,
    dead_letters: Path | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Report:
    """Copies a source into a target, and compares the two.

    Args:
        source: What to copy; only read.
        target: Where to. What is not there is made, with the source's dimension, metric, index, user metadata and
            name of the embedder.
        where: Only the records that match.
        transform: Gives the record to write in place of each, or None to leave it out.
        mode: What to do with a target that holds records; by default it is refused.
        allow: Names of losses that are accepted, see ``vstore.transfer.Kind``.
        workers: How many readers, and how many writers.
        engine: ``"threads"`` of this process, or the workers of a ``"ray"`` cluster (extra ``ray``), with the same
            plan and ledger; both ends must have been opened by URL.
        retries: How often a call that failed with a retryable error is made again.
        max_rps: Most calls a second; None for no limit.
        max_errors: How many records the target may refuse; one more ends the run.
        chunk_rows: Most records of a chunk, which is what is written and noted at once; by default 5,000. Less where
            the target takes less. Only a new plan heeds it.
        verify: ``"full"``, ``"sample"`` or ``"none"``.
        sample: How many records ``"sample"`` compares.
        queries: How many queries both sides are asked to compare what they find; 0 for none.
        state: The folder of the ledger, from which the same call goes on after an interruption or failure. Both ends
            must have been opened by URL. Without it a copy that ends early must begin again.
        restart: Forgets what the ledger has.
        dead_letters: Where to write the records that the target refuses, as JSON lines; by default beside the ledger.
        on_progress: Called now and then, from any thread.

    Returns:
        The report. What happens after the plan was made is in it, errors included: see ``status``, ``exit_code`` and
        ``check``.

    Raises:
        AlreadyExists: The target holds records, and there is no ``mode``.
        Unsupported: Something would be lost that is not in ``allow``.
        Mismatch: The source, or an option, is not what it was when the copy was begun.
        VStoreError: The source cannot be read, or the target not be made. Nothing was written.
    """
    options = Options.checked(
        where=where,
        transform=transform,
        mode=mode,
        allow=allow,
        workers=workers,
        engine=engine,
        retries=retries,
        max_rps=max_rps,
        max_errors=max_errors,
        chunk_rows=chunk_rows,
        verify=verify,
        sample=sample,
        queries=queries,
        restart=restart,
        state=state,
        dead_letters=dead_letters,
    )
    _check_ends(source, target, on_progress)
    try:
        if source.identity and source.identity == target.identity:
            raise InvalidInput("source and target are the same collection")
        if options.engine is Engine.RAY:
            load_ray()
            check_ends(source, target)
        folder = options.state if target.identity else None  # what ends with the process cannot be gone on with
        with closing(Ledger.of(source.identity, target.identity, folder, anew=options.restart)) as ledger:
            return Run(source, target, options, ledger, on_progress).run()
    except VStoreError as error:
        error.add_context(backend="", operation="copy", collection=source.info.name)
        raise


def _check_ends(source: object, target: object, on_progress: object) -> None:
    for name, end, needed in (("source", source, "scan"), ("target", target, "sink")):
        if not hasattr(end, "identity") or not hasattr(end, needed):
            raise InvalidInput(
                f"{name} must be a {name.title()}, not {brief(end)}",
                hint=f"vstore.transfer.open_place opens one by URL; Collection{name.title()} takes what is open.",
            )
    if not callable(on_progress):
        raise InvalidInput(f"on_progress must be a function, not {brief(on_progress)}")
