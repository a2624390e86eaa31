"""What one call of ``copy`` does: plan, transfer, verification, and the story of all three."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Final

from vstore.errors import LimitExceeded, Mismatch, Unsupported, VStoreError
from vstore.indexing import Index
from vstore.info import CollectionInfo
from vstore.records import IncludeName
from vstore.regular import shown
from vstore.spi.codec import info_to_json
from vstore.transfer.deadletters import DeadLetters, TooManyRefused
from vstore.transfer.endpoint import Source, Target
from vstore.transfer.engine import Transfer
from vstore.transfer.ledger import Job, Ledger, State
from vstore.transfer.loss import (
    Kind,
    Loss,
    check_limits,
    refuse_losses,
    source_losses,
    static_losses,
    survey_losses,
)
from vstore.transfer.moving import ANEW, Interrupted, SourceChanged
from vstore.transfer.options import Engine, Mode, Options, occupied
from vstore.transfer.plan import make_plan, rows_per_chunk
from vstore.transfer.ray_engine import RayTransfer
from vstore.transfer.report import Progress, Report, Status, VerifyMode
from vstore.transfer.tally import Tally
from vstore.transfer.transform import Rewrite, Rewritten, mapping_each, nested_as_json
from vstore.transfer.unmatched import check_matched, doubts
from vstore.transfer.verify import verify

__all__ = ["Run"]

# records that a resumed copy looks for in its target
_FIRST: Final = 10


class Run:
    """One call of ``copy``, from the first look at its ends to the report.

    Args:
        source: What to copy.
        target: Where to.
        options: What is asked, checked.
        ledger: Held by this run.
        on_progress: Is told.
    """

    def __init__(
        self,
        source: Source,
        target: Target,
        options: Options,
        ledger: Ledger,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._source = source
        self._target = target
        self._options = options
        self._ledger = ledger
        self._tally = Tally(options.pace, on_progress)
        self._dead = DeadLetters(ledger, options.max_errors, options.dead_letters)
        self._report = Report(
            source.identity or source.backend,
            target.identity or target.backend,
            source.info.name,
            ledger=shown(ledger.path or ""),
        )
        self._losses: list[Loss] = []

    def run(self) -> Report:
        """Does what is left to do; see ``copy``."""
        try:
            self._ready()
        except KeyboardInterrupt:
            self._report.status = Status.INCOMPLETE
            self._report.error = "interrupted before anything was sent"
            return self._report
        with self._told():
            if self._ledger.state is State.WRITING:
                self._transfer()
                self._ledger.advance(State.WRITTEN)
            self._verify()
            self._ledger.advance(State.FINISHED)
        self._account()
        return self._report

    def _ready(self) -> None:
        """All that comes before the first write: refusals are raised, not reported."""
        job = self._begun()
        if job is None:
            self._plan()
        else:
            self._report.resumed = True
            self._check_unchanged(job)
        self._report.planned = self._ledger.planned()
        self._report.chunks = self._ledger.chunks()
        if self._ledger.state is State.PLANNED:
            self._prepare()
            self._ledger.note_losses([asdict(loss) for loss in self._losses])
            self._ledger.advance(State.WRITING)
        self._report.losses = self._losses

    def _begun(self) -> Job | None:
        """The job to go on with; None for a new one.

        One of which nothing was written is planned anew: what the plan says may not hold any more, and the target is
        made, or replaced, by it. One that is finished is only compared again, as long as the call and the target are
        the same.
        """
        job = self._ledger.job
        if job is None:
            return None
        same = self._options.binding() == job.options
        match self._ledger.state:
            case State.PLANNED:
                self._report.resumed, over = same, True
            case State.FINISHED:
                over = not same or self._options.mode is not None or self._target.existing() is None
            case State.WRITING | State.WRITTEN:
                over = False
        # what is over is forgotten when a new plan stands, not before: that may be refused
        return None if self._options.restart or over else job

    def _changed(self, job: Job) -> bool:
        """Whether the source is not what the plan was made of, as far as its settings and number of records tell."""
        source = self._source
        return info_to_json(source.info) != job.info or source.count(self._options.where) != self._ledger.planned()

    def _plan(self) -> None:
        source, target, options = self._source, self._target, self._options
        check_limits(source.info, target.capabilities)
        there = self._there()
        self._losses = list(static_losses(source.info, target, there))
        self._losses += options.pace.call(partial(source_losses, source, options.where))
        refuse_losses(self._losses, options.allow)
        flat = target.capabilities is not None and not target.capabilities.nested_metadata
        include: tuple[IncludeName, ...] = ("metadatas",) if flat else ()
        self._tally.begin("plan", None if options.where is not None else source.count())
        chunks, survey = make_plan(
            source,
            lambda size: rows_per_chunk(target, size, options.chunk_rows),
            options.where,
            include,
            options.pace,
            self._tally.add,
        )
        self._tally.end()
        if options.where is not None and survey.rows:
            self._report.notes = options.pace.call(partial(doubts, source, options.where))
        elif options.where is not None:
            self._report.notes = [options.pace.call(partial(check_matched, source, options.where))]
        nested = list(survey_losses(survey, target.capabilities))
        refuse_losses(nested, options.allow)
        self._losses += nested
        job = Job(source.identity, target.identity, info_to_json(source.info), options.binding())
        self._ledger.begin(job, chunks)

    def _there(self) -> CollectionInfo | None:
        """What the target is that will be written to as it is; raises ``AlreadyExists`` where it must not be."""
        existing = self._target.existing()
        if existing is None or self._options.mode is Mode.REPLACE:
            return None
        if problem := occupied(self._target, existing.count(), self._options.mode):
            raise problem
        return existing.info if self._target.merges else None

    def _check_unchanged(self, job: Job) -> None:
        """Raises ``Mismatch`` where going on would not give what the plan says."""
        asked, begun = self._options.binding(), dict(job.options)
        if changed := sorted(name for name in asked if asked[name] != begun.get(name)):
            raise Mismatch(
                f"this copy was begun with other options: {', '.join(f'{n}={begun.get(n)!r}' for n in changed)}",
                hint="Give the same options to go on, or --restart to begin again.",
            )
        state = self._ledger.state
        if state is State.WRITING and self._changed(job):
            raise SourceChanged(
                f"the source is not what it was when this copy was begun, with {self._ledger.planned():,} records",
                hint=ANEW,
            )
        if job.losses is None:
            self._losses = self._options.pace.call(partial(source_losses, self._source, self._options.where))
        else:
            self._losses = [Loss(Kind(one["kind"]), one["text"], one["needs_leave"]) for one in job.losses]
        if state in (State.WRITING, State.WRITTEN):
            existing = self._target.existing()
            done = self._ledger.written()[0].rows
            if existing is None or (
                self._options.transform is None and (existing.count() < done or self._replaced(existing))
            ):
                raise Mismatch(
                    f"the target has acknowledged {done:,} records, which it no longer has",
                    hint="--restart begins again, with --mode merge or replace if something is left.",
                )

    def _replaced(self, existing: Source) -> bool:
        """Whether another collection has the target's name now, as far as its settings and the first records tell."""
        source, options = self._source, self._options
        if not self._target.merges:
            return False
        if existing.info.dimension != source.info.dimension:
            return True
        if existing.info.metric != source.info.metric and Kind.METRIC not in options.allow:
            return True
        if self._ledger.state is not State.WRITING or any(chunk.number == 0 for chunk in self._ledger.pending()):
            return False
        refused = {refusal.id for refusal in self._ledger.refused()}
        first = next(iter(source.scan(where=options.where, batch_size=_FIRST, include=())), None)
        sent = [] if first is None else [record_id for record_id in first.records.ids if record_id not in refused]
        return bool(sent) and not len(existing.get(sent, include=()))

    def _prepare(self) -> None:
        """Makes the target; in no case after a chunk was written."""
        source, target = self._source, self._target
        there = self._there()
        if there is not None:
            if self._options.transform is not None:  # a source that is the target would be rewritten
                target.rehearse(there, there.index, source)
        elif target.existing() is None:
            self._made(target.create)
        else:
            index = self._made(target.rehearse)  # nothing is deleted before it is certain that it can be made anew
            target.remove()
            target.create(source.info, index, source)

    def _made(self, make: Callable[[CollectionInfo, Index | None, Source], None]) -> Index | None:
        """Makes it with the source's index or, if that is allowed, with one of the target's choice; tells which."""
        info = self._source.info
        index = None if any(loss.kind is Kind.INDEX for loss in self._losses) else info.index
        try:
            make(info, index, self._source)
        except (Unsupported, LimitExceeded) as error:
            # what an index does not take, such as a number of dimensions, is not in the capability record
            loss = Loss(Kind.INDEX, error.message)
            refuse_losses([loss], self._options.allow)
            self._losses.append(loss)
            index = None
            make(info, index, self._source)
        return index

    def _transfer(self) -> None:
        sink = self._target.sink(self._dead.refuse)
        options, rewrites = self._options, self._rewrites()
        engine: Transfer | RayTransfer
        match options.engine:
            case Engine.THREADS:
                engine = Transfer(
                    self._source,
                    sink,
                    self._ledger,
                    where=options.where,
                    rewrites=rewrites,
                    workers=options.workers,
                    pace=options.pace,
                    on_chunk=self._tally.add,
                )
            case Engine.RAY:
                engine = RayTransfer(
                    self._source,
                    self._target,
                    self._ledger,
                    where=options.where,
                    rewrites=rewrites,
                    workers=options.workers,
                    pace=options.pace,
                    refuse=self._dead.refuse,
                    on_chunk=self._tally.add,
                )
        try:
            self._tally.begin("copy", self._report.planned, done=self._ledger.rows_done())
            engine.run()
            self._options.pace.call(sink.finish)
        finally:
            self._tally.end()
            sink.close()

    def _verify(self) -> None:
        options, report = self._options, self._report
        refused = {refusal.id for refusal in self._ledger.refused()}
        right = self._target.existing()
        if right is None:
            raise Mismatch("the target is gone", hint="--restart begins again.")
        if options.verify is VerifyMode.NONE:
            report.status = Status.DEAD_LETTERS if refused else Status.COPIED
            sent, there = self._ledger.written()[0].rows, options.pace.call(right.count)
            if there < sent or (there > sent and options.mode is not Mode.MERGE):  # this much is looked at in any case
                report.status, report.error = Status.DIFFERENT, f"{sent:,} records were sent, {there:,} are there"
            return
        rewrites = self._rewrites()
        left: Source = Rewritten(self._source, rewrites) if rewrites else self._source
        self._tally.begin("verify", 2 * report.planned)
        found = verify(
            left,
            right,
            mode=options.verify,
            where=options.where,
            subset=options.mode is Mode.MERGE,
            without=refused,
            any_metric=Kind.METRIC in options.allow,
            losses=self._losses,
            allow=options.allow,
            sample=options.sample,
            queries=options.queries,
            pace=options.pace,
            on_rows=self._tally.add,
        )
        self._tally.end()
        report.verification = found
        if not found.equal:
            report.status = Status.DIFFERENT
            if self._ledger.state is State.FINISHED:
                report.error = "it was copied before, and only compared now: --mode merge or replace copies it again"
        else:
            report.status = Status.DEAD_LETTERS if refused else Status.VERIFIED

    def _rewrites(self) -> list[Rewrite]:
        rewrites: list[Rewrite] = [] if self._options.transform is None else [mapping_each(self._options.transform)]
        capabilities = self._target.capabilities
        if Kind.NESTED in self._options.allow and capabilities is not None and not capabilities.nested_metadata:
            rewrites.append(nested_as_json)
        return rewrites

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Around what may end early: the report says how it ended."""
        resumable = Status.INCOMPLETE if self._ledger.path is not None else Status.FAILED
        try:
            yield
        except (Interrupted, KeyboardInterrupt) as error:
            self._report.status = resumable
            self._report.error = "interrupted" if error.__cause__ is None else f"interrupted; {error.__cause__}"
        except TooManyRefused as error:
            self._report.status = Status.DEAD_LETTERS
            self._report.error = str(error)
        except SourceChanged as error:
            self._report.status = Status.FAILED
            self._report.error = str(error)
        except VStoreError as error:
            self._report.status = resumable
            self._report.error = f"{type(error).__name__}: {error}"

    def _account(self) -> None:
        report = self._report
        digest, report.size = self._ledger.written()
        report.copied, report.digest = digest.rows, str(digest)
        try:
            report.refused, report.dead_letters = self._dead.write()
        except VStoreError as error:
            report.refused, report.error = len(self._ledger.refused()), f"{report.error} {error}".strip()
        report.retries = self._options.pace.retried
        report.seconds = self._tally.seconds
