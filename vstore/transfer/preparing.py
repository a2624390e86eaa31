"""What comes before the first write of a copy: the plan, or the look at the run that is resumed, and the target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cached_property, partial
from typing import Any, Final

from vstore.errors import LimitExceeded, Mismatch, Unsupported
from vstore.indexing import Index
from vstore.info import CollectionInfo
from vstore.records import IncludeName
from vstore.regular import shown
from vstore.spi.codec import info_to_json
from vstore.transfer.calls import Progress, ProgressTracker, RetryPolicy
from vstore.transfer.checkpoint import CopyCheckpoint, JobDescription, RejectedFile, State
from vstore.transfer.embedding import changes, kept, planned_info, transforming
from vstore.transfer.endpoint import EVERYTHING, Source, Target
from vstore.transfer.engine import NEW_PLAN, SourceChanged
from vstore.transfer.fields import creatable, field_losses, has_other_fields, without_indexes
from vstore.transfer.layout_target import LayoutTarget, shape_of, shared_ids
from vstore.transfer.loss import (
    Loss,
    LossKind,
    check_limits,
    refuse_losses,
    source_losses,
    static_losses,
    survey_losses,
)
from vstore.transfer.options import RECORDS, CopyOptions, IfExists, WithoutText, occupied
from vstore.transfer.plan import growth, make_plan, rows_per_chunk
from vstore.transfer.report import Report
from vstore.transfer.texts import TextSurvey
from vstore.transfer.unmatched import check_matched, doubts

__all__ = ["PreparedJob"]

# records that a resumed copy looks for in its target
_FIRST: Final = 10
# options that checkpoints have under another name
_OPTIONS: Final = {"mode": "if_exists"}


class PreparedJob:
    """One call of ``copy``, up to the first write.

    Args:
        source: What to copy.
        target: Where to.
        options: What is asked, checked.
        checkpoint: Held by this run.
        on_progress: Called with the progress.
        finished: Whether a copy that was finished earlier is compared again, whatever ``if_exists`` and ``allow`` are.
    """

    def __init__(
        self,
        source: Source,
        target: Target,
        options: CopyOptions,
        checkpoint: CopyCheckpoint,
        on_progress: Callable[[Progress], None],
        *,
        finished: bool = False,
    ) -> None:
        self._finished = finished
        self._source = source
        self._target = target
        self._options = options
        self._checkpoint = checkpoint
        self._retry = RetryPolicy(options.retries, options.max_rps)
        self._tracker = ProgressTracker(self._retry, on_progress)
        self._rejected_file = RejectedFile(checkpoint, options.max_errors, options.rejected_file)
        self._report = Report(
            source.identity or source.backend,
            target.identity or target.backend,
            source.info.name,
            checkpoint=shown(checkpoint.path or ""),
        )
        self._losses: list[Loss] = []
        self._shape = None if not isinstance(target, LayoutTarget) else target.shape

    @cached_property
    def _info(self) -> CollectionInfo:
        """What the target is to be; where a transform makes its vectors, the first records are read for it."""
        return self._retry.call(partial(planned_info, self._source, self._options, self._retry))

    @cached_property
    def _sent(self) -> CollectionInfo:
        """The same as the layout of another package has it."""
        return self._info if self._shape is None else replace(self._info, dimension=self._shape.held.dimension)

    def _prepare(self) -> None:
        """Does all that comes before the first write; its errors are raised, not reported."""
        job = self._resumable_job()
        if job is None:
            self._plan()
        else:
            self._report.resumed = True
            self._check_unchanged(job)
        self._report.planned = self._checkpoint.planned()
        self._report.chunks = self._checkpoint.chunks()
        if self._checkpoint.state is State.PLANNED:
            self._make_target()
            self._checkpoint.note_losses([asdict(loss) for loss in self._losses])
            self._checkpoint.advance(State.WRITING)
        self._report.losses = self._losses

    def _resumable_job(self) -> JobDescription | None:
        """Returns the job to resume; None for a new one.

        A job of which nothing was written is planned anew: its plan may not hold any more, and the target is created,
        or replaced, by it. A finished job is only compared again, as long as the call and the target are the same.
        """
        job = self._checkpoint.description
        if job is None:
            return None
        same = self._binding() == job.options
        match self._checkpoint.state:
            case State.PLANNED:
                self._report.resumed, over = same, True
            case State.FINISHED:
                anew = not same or self._options.if_exists is not None
                over = (anew and not self._finished) or self._target.existing() is None
            case State.WRITING | State.WRITTEN:
                over = False
        # a job that is over is forgotten when a new plan stands, not before: that may be refused
        return None if self._options.restart or over else job

    def _changed(self, job: JobDescription) -> bool:
        """Whether the source is not what the plan was made of, as far as its settings and number of records tell."""
        source = self._source
        return info_to_json(source.info) != job.info or source.count(self._options.where) != self._checkpoint.planned()

    def _plan(self) -> None:
        source, target, options = self._source, self._target, self._options
        info = self._info
        check_limits(self._sent, target.capabilities, options.maker)
        existing = self._existing_target()
        shape_of(target, source.info.dimension, info.dimension)  # may refuse
        held = info if self._shape is None else self._shape.held
        changed, notes = changes(source.info, info, embeds=options.embed is not None)
        self._losses = [*static_losses(held, target, existing, options.maker), *changed]
        if self._shape is not None:
            self._losses += self._shape.static_losses()
        self._losses += field_losses(info, target.capabilities, existing)
        self._losses += self._retry.call(partial(source_losses, source, options.where))
        refuse_losses(self._losses, options.allow)
        flat = target.capabilities is not None and not target.capabilities.nested_metadata
        include: tuple[IncludeName, ...] = ("metadatas",) if flat else ()
        texts = None if options.embed is None else TextSurvey(options, info)
        looks = [] if texts is None else [texts.add]
        if self._shape is not None:
            include = EVERYTHING
            looks.append(self._shape.look)
        if (shared := shared_ids(target, self._retry, transforming(options))) is not None:
            looks.append(shared.look)
        self._tracker.begin("plan", None if options.where is not None else source.count())
        chunks, survey = make_plan(
            source,
            lambda size: rows_per_chunk(target, size + growth(source.info, self._sent), options.chunk_rows),
            options.where,
            include if texts is None else texts.include(include),
            self._retry,
            *looks,
            on_rows=self._tracker.add,
            # of ids that a transform gives, the chunks tell
            ids_made=None if self._shape is None or options.transform is not None else self._shape.ids_made,
        )
        self._tracker.end()
        if options.where is not None and survey.rows:
            self._report.notes = self._retry.call(partial(doubts, source, options.where))
        elif options.where is not None:
            self._report.notes = [self._retry.call(partial(check_matched, source, options.where))]
        self._report.notes += notes
        found = [*survey_losses(survey, target.capabilities), *(self._shape.losses() if self._shape else ())]
        refuse_losses(found, options.allow)
        self._losses += found
        if shared is not None and (taken := shared.problem()):
            raise taken
        if texts is not None:
            if problem := texts.problem():
                raise problem
            self._losses += texts.losses()
        job = JobDescription(source.identity, target.identity, info_to_json(source.info), self._binding())
        self._checkpoint.begin(job, chunks)

    def _binding(self) -> dict[str, Any]:
        """What must be the same in the next run for it to resume this one."""
        if not isinstance(self._target, LayoutTarget):
            return self._options.binding()
        layout = self._target.layout
        return self._options.binding() | {"layout": layout if isinstance(layout, str) else layout.to_dict()}

    def _existing_target(self) -> CollectionInfo | None:
        """Returns what the target is, if it is written to as it is; raises ``AlreadyExists`` where it must not be."""
        existing = self._target.existing()
        if existing is None or self._options.if_exists is IfExists.REPLACE:
            return None
        if problem := occupied(self._target, existing.count(), self._options.if_exists):
            raise problem
        return existing.info if self._target.merges else None

    def _check_unchanged(self, job: JobDescription) -> None:
        """Raises ``Mismatch`` where going on would not give what the plan says."""
        asked, begun = self._binding(), dict(job.options)
        binding = {**asked, **begun} if self._checkpoint.state is not State.FINISHED else RECORDS
        if changed := sorted(name for name in binding if asked.get(name) != begun.get(name)):
            earlier = [f"{_OPTIONS.get(name, name)}={begun.get(name)!r}" for name in changed]
            raise Mismatch(
                f"this copy was begun with other options: {', '.join(earlier)}",
                hint="Pass the same options to resume it, or --restart to begin again.",
            )
        state = self._checkpoint.state
        if state is State.WRITING and self._changed(job):
            raise SourceChanged(
                f"the source has changed since this copy was begun, with {self._checkpoint.planned():,} records",
                hint=NEW_PLAN,
            )
        if job.losses is None:
            self._losses = self._retry.call(partial(source_losses, self._source, self._options.where))
        else:
            self._losses = [Loss(LossKind(one["kind"]), one["text"], one["needs_leave"]) for one in job.losses]
        if state in (State.WRITING, State.WRITTEN):
            existing = self._target.existing()
            done = self._checkpoint.written()[0].rows
            if existing is None or (
                self._options.transform is None and (existing.count() < done or self._replaced(existing))
            ):
                raise Mismatch(
                    f"the target has acknowledged {done:,} records, which it no longer has",
                    hint="Pass --restart to begin again, with --if-exists merge or replace if records are left.",
                )

    def _replaced(self, existing: Source) -> bool:
        """Whether another collection has the target's name now, as far as its settings and the first records tell."""
        source, options = self._source, self._options
        if not self._target.merges:
            return False
        if existing.info.dimension != self._sent.dimension:
            return True
        if existing.info.metric != self._info.metric and LossKind.METRIC not in options.allow:
            return True
        made, _ = creatable(self._info, self._target.capabilities)
        if has_other_fields(existing.info, made, fewer=LossKind.VECTORS in options.allow):
            return True
        if self._checkpoint.state is not State.WRITING or any(
            chunk.number == 0 for chunk in self._checkpoint.pending()
        ):
            return False
        rejected = {record.id for record in self._checkpoint.rejected()}
        include: tuple[IncludeName, ...] = ("documents",) if options.without_text is WithoutText.SKIP else ()
        first = next(iter(source.scan(where=options.where, batch_size=_FIRST, include=include)), None)
        ids = [] if first is None else kept(first.records, options).ids
        if self._shape is not None:
            ids = self._shape.ids(ids, options.allow)
        sent = [record_id for record_id in ids if record_id not in rejected]
        return bool(sent) and not len(existing.get(sent, include=()))

    def _make_target(self) -> None:
        """Creates the target; in no case after a chunk was written."""
        source, target = self._source, self._target
        existing = self._existing_target()
        if existing is not None:
            if self._options.maker != "the source":  # a source that is the target would be rewritten
                target.dry_create(existing, existing.index, source)
        elif target.existing() is None:
            self._create_with_fallback(target.create)
        else:
            # nothing is deleted before it is certain that it can be created anew
            info, index = self._create_with_fallback(target.dry_create)
            target.remove()
            target.create(info, index, source)

    def _create_with_fallback(
        self, create: Callable[[CollectionInfo, Index | None, Source], None]
    ) -> tuple[CollectionInfo, Index | None]:
        """Creates with the source's indexes or, if that is allowed, with those of the target's choice; returns which.

        Fields that the target does not take are left out: the losses name them.
        """
        info, index = creatable(self._info, self._target.capabilities)
        try:
            create(info, index, self._source)
        except (Unsupported, LimitExceeded) as error:
            # the capability record does not hold every limit of an index
            loss = Loss(LossKind.INDEX, error.message)
            refuse_losses([loss], self._options.allow)
            self._losses.append(loss)
            info, index = without_indexes(info), None
            create(info, index, self._source)
        return info, index
