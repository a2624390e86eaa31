"""Copies the collections of a location one after the other: the trouble of one does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from typing import Any

from vstore.errors import AuthenticationFailed, InvalidInput, Unavailable, Unsupported, VStoreError
from vstore.mapping import RecordMapping
from vstore.transfer.api import copy_ends, resumed
from vstore.transfer.calls import Progress
from vstore.transfer.collections import CollectionSource
from vstore.transfer.dryrun import dry_run
from vstore.transfer.endpoint import Source, Target
from vstore.transfer.layout_target import LayoutTarget, check_dimensions
from vstore.transfer.ledger import Ledger
from vstore.transfer.naming import check_natives
from vstore.transfer.opening import Location
from vstore.transfer.options import CopyKeywords, CopyOptions
from vstore.transfer.report import Report, Status

__all__ = ["Part", "copy_parts", "open_parts", "refused_report"]


@dataclass(slots=True)
class Part:
    """One collection of several.

    Attributes:
        name: Its name in the source.
        target: Its name in the target.
        foreign: Whether vstore did not create it.
        source: To be read; None where it cannot be opened.
        error: Why it cannot be opened.
    """

    name: str
    target: str
    foreign: bool
    source: Source | None = None
    error: VStoreError | None = None

    @property
    def mapping(self) -> dict[str, Any] | None:
        """How it is read, as plain data; None for a collection that vstore created, or that cannot be opened."""
        if not isinstance(self.source, CollectionSource) or self.source.collection.mapping is None:
            return None
        return self.source.collection.mapping.to_dict()

    def as_dict(self) -> dict[str, Any]:
        """What is to become of it, as plain data."""
        error = "" if self.error is None else _told(self.error)
        return {
            "collection": self.name,
            "target": self.target,
            "foreign": self.foreign,
            "mapping": self.mapping,
            "error": error,
        }


def open_parts(
    here: Location,
    names: dict[str, str],
    foreign: Sequence[str],
    mapping: RecordMapping | str | None,
    dimension: int | None = None,
    ids: Sequence[str] = (),
) -> list[Part]:
    """Opens the sources, all of them before anything is written.

    Args:
        here: Where they are.
        names: The name in the target of each.
        foreign: Those that vstore did not create.
        mapping: How to read these; of a single collection, how to read it whoever created it.
        dimension: That of empty ones, where nothing else tells it.
        ids: The field that is the id of those that vstore did not create, or the columns that are it together.

    Raises:
        VStoreError: The only one cannot be opened.
    """
    others = set(foreign)
    parts = [Part(name, target, name in others) for name, target in names.items()]
    for part in parts:
        try:
            chosen = ids if part.foreign else ()
            part.source = here.source(part.name, mapping if part.foreign else None, dimension, chosen)
        except VStoreError as error:
            if len(parts) == 1 or of_all(error):
                raise
            part.error = error
    return parts


def copy_parts(
    parts: Sequence[Part],
    here: Location,
    there: Location,
    options: CopyKeywords,
    *,
    dry: bool,
    showing: Callable[[str], AbstractContextManager[Callable[[Progress], None]]],
    on_report: Callable[[Report], None],
) -> None:
    """Copies one after the other, or reports what copying them would do.

    After an interruption, or where a database does not answer, the others are reported as not begun.

    Args:
        parts: The collections.
        here: Where they are.
        there: Where they go.
        options: As for ``copy``.
        dry: Whether nothing is to be written.
        showing: Makes what is called with the progress of a collection.
        on_report: Called with the report of each.

    Raises:
        VStoreError: What ``copy`` raises, of a single collection.
    """
    checked = CopyOptions.of(options)
    ledger = Ledger.of(here.identity, there.identity, checked, dry=dry) if len(parts) > 1 else None
    with ExitStack() as opened:
        if ledger is not None:
            opened.enter_context(closing(ledger))
        stopped, all_well = "", True
        targets = {  # what is no target is wrong use of them all
            part.name: there.target(part.target, checked.layout, part.source.info, checked.vector_length)
            for part in parts
            if part.source is not None
        }
        pairs = [(part.target, targets.get(part.name)) for part in parts]
        shaped = {name: target for name, target in pairs if isinstance(target, LayoutTarget)}
        check_natives({name: target.native for name, target in shaped.items()})
        check_dimensions(shaped)
        for part in parts:
            if stopped:
                report = Report(part.name, there.identity, part.name, Status.INCOMPLETE, error=f"not begun: {stopped}")
            else:
                again = ledger is not None and ledger.finished(part.name, part.target)
                try:
                    report = _copied(
                        part, targets.get(part.name), checked, options, again=again, dry=dry, showing=showing
                    )
                except VStoreError as error:
                    if len(parts) == 1:
                        raise
                    report = refused_report(part, there, error)
                    stopped = _told(error) if of_all(error) else ""
                if ledger is not None and not dry:
                    ledger.note(part.name, part.target, well=not report.exit_code)
                if report.error.startswith("interrupted"):
                    stopped = "interrupted"
            report.target_collection, report.mapping = part.target, part.mapping
            all_well = all_well and not report.exit_code
            on_report(report)
        if ledger is not None and all_well and not dry:
            ledger.forget({part.name: part.target for part in parts})


def _copied(
    part: Part,
    right: Target | None,
    checked: CopyOptions,
    options: CopyKeywords,
    *,
    again: bool,
    dry: bool,
    showing: Callable[[str], AbstractContextManager[Callable[[Progress], None]]],
) -> Report:
    if part.source is None or right is None:
        assert part.error is not None
        raise part.error
    if dry:
        return resumed(part.source, right, checked, finished=again) or dry_run(part.source, right, **options)
    with showing(part.name) as show:
        return copy_ends(part.source, right, checked, show, finished=again)


def refused_report(part: Part, there: Location | None, error: VStoreError) -> Report:
    """Return the report of a collection of which nothing was written."""
    status = Status.REFUSED if isinstance(error, InvalidInput | Unsupported) else Status.FAILED
    source = part.name if part.source is None else part.source.identity or part.source.backend
    target = "" if there is None else there.identity
    return Report(source, target, part.name, status, error=_told(error), target_collection=part.target)


def of_all(error: VStoreError) -> bool:
    """Whether an error is about the database, so that the other collections would meet it too."""
    return isinstance(error, AuthenticationFailed) or (isinstance(error, Unavailable) and error.retryable)


def _told(error: VStoreError) -> str:
    return f"{type(error).__name__}: {error}"
