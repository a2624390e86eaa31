"""``copy``: opens its ends, checks its options, and hands both to a ``CopyJob``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Unpack

from vstore.core._sync.collection import Collection
from vstore.core._sync.store import Store
from vstore.core.settings import is_name, split_location
from vstore.errors import InvalidInput, VStoreError, brief
from vstore.info import CollectionInfo
from vstore.transfer.calls import Progress
from vstore.transfer.checkpoint import CopyCheckpoint
from vstore.transfer.collections import CollectionSource, CollectionTarget
from vstore.transfer.embedding import close_embedder
from vstore.transfer.endpoint import Source, Target
from vstore.transfer.files import FileTarget, data_set_path, open_data_set
from vstore.transfer.job import CopyJob
from vstore.transfer.layout_target import LayoutTarget
from vstore.transfer.opening import names_store, open_location
from vstore.transfer.options import CopyKeywords, CopyOptions, EngineName
from vstore.transfer.ray_engine import check_ends, load_ray
from vstore.transfer.report import Report

__all__ = ["copy", "copy_ends", "resumed"]


def copy(
    source: str | Collection | Source,
    target: str | Collection | Target,
    *,
    on_progress: Callable[[Progress], None] = lambda _: None,
    **options: Unpack[CopyKeywords],
) -> Report:
    """Copies a collection into another, and compares the two.

    Example::

        report = vstore.copy("chroma:./data/docs", "qdrant://localhost:6333/docs", workers=4)
        report.check()  # raises unless every record is there and equal

    Args:
        source: What to copy; it is only read. A text is ``URL/COLLECTION``, ``NAME/COLLECTION``
            with a name of ``vstore.toml``, or a path of files. Or an open collection, or a ``Source``.
        target: Where to, likewise. What is not there is created, with the source's dimension, metric, index, user
            metadata and name of the embedder. ``embed`` gives another dimension, metric and name, a ``transform``
            another dimension.
        on_progress: Called now and then, from any thread.
        **options: The attributes of ``CopyOptions``.

    Returns:
        The report. It holds what happens after the plan was made, errors included: see ``status``, ``exit_code`` and
        ``check``.

    Raises:
        InvalidInput: An end or an option that is not legal, or both ends are one collection.
        AlreadyExists: The target holds records, and there is no ``if_exists``.
        Unsupported: Something would be lost that is not in ``allow``.
        Mismatch: The source, or an option, is not what it was when the copy was begun.
        VStoreError: The source cannot be read, or the target not be created. Nothing was written.
    """
    checked = CopyOptions.of(options)
    if not callable(on_progress):
        raise InvalidInput(f"on_progress must be a function, not {brief(on_progress)}")
    with ExitStack() as opened:
        if isinstance(options.get("embed"), str):
            opened.callback(close_embedder, checked.embed)
        left = _source(source, opened)
        return copy_ends(left, _target(target, opened, checked, left.info), checked, on_progress)


def copy_ends(
    source: Source,
    target: Target,
    options: CopyOptions,
    on_progress: Callable[[Progress], None],
    *,
    finished: bool = False,
) -> Report:
    """Does what ``copy`` does, of ends that are open.

    Args:
        source: What to copy.
        target: Where to.
        options: How, checked.
        on_progress: As for ``copy``.
        finished: Whether a copy that was finished earlier is compared again in any case, and not begun anew.
    """
    with _job(source, target, options, on_progress, finished=finished) as job:
        return job.run()


def resumed(source: Source, target: Target, options: CopyOptions, *, finished: bool = False) -> Report | None:
    """Returns what the same call of ``copy`` would resume, as a report; None where it would begin anew.

    Nothing is written. The report's ``plan`` has ``records`` and ``written``.

    Args:
        source: As for ``copy_ends``.
        target: As for ``copy_ends``.
        options: As for ``copy_ends``.
        finished: As for ``copy_ends``.

    Raises:
        VStoreError: As ``copy``.
    """
    if options.state is None or options.restart or not (source.identity and target.identity):
        return None
    if not CopyCheckpoint.path_of(source.identity, target.identity, options.state).exists():
        return None
    with _job(source, target, options, lambda _: None, finished=finished) as job:
        return job.left_to_do()


@contextmanager
def _job(
    source: Source,
    target: Target,
    options: CopyOptions,
    on_progress: Callable[[Progress], None],
    *,
    finished: bool,
) -> Iterator[CopyJob]:
    try:
        if source.identity and source.identity == target.identity:
            raise InvalidInput("source and target are the same collection")
        if options.engine is EngineName.RAY:
            load_ray()
            check_ends(source, target)
        folder = options.state if target.identity else None  # a store that ends with the process is not resumable
        with closing(
            CopyCheckpoint.of(source.identity, target.identity, folder, restart=options.restart)
        ) as checkpoint:
            yield CopyJob(source, target, options, checkpoint, on_progress, finished=finished)
    except VStoreError as error:
        error.add_context(backend="", operation="copy", collection=source.info.name)
        raise


def _source(end: object, opened: ExitStack) -> Source:
    if isinstance(end, str):
        if not names_store(end):
            return open_data_set(end)
        url, name = _split("source", end)
        return opened.enter_context(open_location(url, new=False)).source(name)
    if isinstance(end, Collection):
        return CollectionSource(_store_of(end), end)
    if not hasattr(end, "identity") or not hasattr(end, "scan"):
        raise _no_end("source", end)
    return end  # type: ignore[return-value]  # as far as can be seen


def _target(end: object, opened: ExitStack, options: CopyOptions, like: CollectionInfo) -> Target:
    if isinstance(end, str) and names_store(end):
        url, name = _split("target", end)
        return opened.enter_context(open_location(url, new=True)).target(
            name, options.layout, like, options.vector_length
        )
    if options.layout is not None and not (isinstance(end, LayoutTarget) and end.layout == options.layout):
        raise InvalidInput(
            "layout= is for a target that is named by URL/COLLECTION",
            hint="vstore.transfer.LayoutTarget makes one of an open store.",
        )
    if isinstance(end, str):
        return FileTarget(data_set_path(end))
    if isinstance(end, Collection):
        return CollectionTarget(_store_of(end), end.name)
    if not hasattr(end, "identity") or not hasattr(end, "sink"):
        raise _no_end("target", end)
    return end  # type: ignore[return-value]  # as far as can be seen


def _split(which: str, text: str) -> tuple[str, str]:
    """Takes ``URL/COLLECTION`` apart; the text may hold a password, and no error repeats it."""
    if is_name(text):
        store, inner = split_location(text)
        if inner is None:
            raise _no_collection(which)
        return store, inner
    address, mark, query = text.partition("?")
    url, slash, name = address.rpartition("/")
    if not slash or not name or not url.rstrip("/").partition(":")[2]:
        raise _no_collection(which)
    return f"{url}{mark}{query}", name


def _no_collection(which: str) -> InvalidInput:
    return InvalidInput(
        f"the {which} names a store and no collection in it",
        hint="Write URL/COLLECTION, for example chroma:./data/docs or qdrant://localhost:6333/docs.",
    )


def _store_of(collection: Collection) -> Store:
    store = collection.store
    assert isinstance(store, Store)
    return store


def _no_end(which: str, end: object) -> InvalidInput:
    return InvalidInput(
        f"{which} must be URL/COLLECTION, a collection or a {which.title()}, not {brief(end)}",
        hint="vstore.transfer.open_location opens a store; pass its source(name) or target(name).",
    )
