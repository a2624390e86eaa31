"""What one call of ``copy`` does once it is prepared: transfer, verification, and the report of all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from vstore.errors import Mismatch, VStoreError
from vstore.transfer.checkpoint import State, TooManyRejected
from vstore.transfer.embedding import Embedding, Reembedded, opened, transforming
from vstore.transfer.endpoint import Source
from vstore.transfer.engine import Engine, Interrupted, SourceChanged, ThreadEngine, TransferJob
from vstore.transfer.fields import keep_fields, shared_fields
from vstore.transfer.loss import LossKind
from vstore.transfer.options import EngineName, IfExists
from vstore.transfer.preparing import PreparedJob
from vstore.transfer.ray_engine import RayEngine
from vstore.transfer.report import Report, Status, VerifyMode
from vstore.transfer.texts import cost_of
from vstore.transfer.transform import Rewrite, Rewritten, nested_as_json
from vstore.transfer.verify import verify

__all__ = ["CopyJob"]


class CopyJob(PreparedJob):
    """One call of ``copy``, from the first look at its ends to the report. Its arguments are those of its base."""

    _embedding: Embedding | None = None

    def run(self) -> Report:
        """Does what is left to do; see ``copy``."""
        try:
            self._prepare()
        except KeyboardInterrupt:
            self._report.status = Status.INCOMPLETE
            self._report.error = "interrupted before anything was sent"
            return self._report
        with self._record_failure(), opened(self._options, self._info, self._retry) as self._embedding:
            if self._checkpoint.state is State.WRITING:
                self._transfer()
                self._checkpoint.advance(State.WRITTEN)
            self._verify()
            self._checkpoint.advance(State.FINISHED)
        self._finish_report()
        return self._report

    def left_to_do(self) -> Report | None:
        """Returns what ``run`` would resume, and changes nothing; None where it would begin anew."""
        job = self._resumable_job()
        if job is None:
            return None
        self._check_unchanged(job)
        report, written = self._report, self._checkpoint.rows_done()
        report.status, report.resumed, report.losses = Status.PLANNED, True, self._losses
        report.planned, report.chunks = self._checkpoint.planned(), self._checkpoint.chunks()
        report.plan = {"records": report.planned, "written": written}
        if self._checkpoint.state is State.WRITING:
            pending = self._checkpoint.pending()
            report.embedding = cost_of(self._source, pending, self._options, self._info, self._retry)
            report.notes = [f"an earlier run is resumed: {written:,} of {report.planned:,} records are written"]
        else:
            report.notes = [f"the {report.planned:,} records were copied by an earlier run, and are only compared"]
        return report

    def _transfer(self) -> None:
        options = self._options
        sink = self._target.sink(self._rejected_file.reject)
        job = TransferJob(
            source=self._source,
            target=self._target,
            checkpoint=self._checkpoint,
            where=options.where,
            rewrites=[*self._rewrites(), *self._dropped_fields()],
            claims=options.transform is not None or (self._shape is not None and LossKind.IDS in options.allow),
            workers=options.workers,
            retry=self._retry,
            reject=self._rejected_file.reject,
            on_chunk=self._tracker.add,
            embed=None if self._embedding is None else self._embedding.rewrite,
        )
        engine: Engine = RayEngine(job) if options.engine is EngineName.RAY else ThreadEngine(job, sink)
        try:
            self._tracker.begin("copy", self._report.planned, done=self._checkpoint.rows_done())
            engine.run()
            self._retry.call(sink.finish)
        finally:
            self._tracker.end()
            sink.close()

    def _verify(self) -> None:
        options, report = self._options, self._report
        rejected = {record.id for record in self._checkpoint.rejected()}
        right = self._target.existing()
        if right is None:
            raise Mismatch("the target is gone", hint="Pass --restart to begin again.")
        if options.verify is VerifyMode.NONE:
            report.status = Status.REJECTED if rejected else Status.COPIED
            sent, there = self._checkpoint.written()[0].rows, self._retry.call(right.count)
            if there < sent or (
                there > sent and options.if_exists is not IfExists.MERGE
            ):  # this much is looked at in any case
                report.status, report.error = Status.DIFFERENT, f"{sent:,} records were sent, {there:,} are there"
            return
        rewrites = self._rewrites() + ([] if self._shape is None else self._shape.as_read())
        left: Source = Rewritten(self._source, rewrites, self._sent) if rewrites else self._source
        if self._embedding is not None:
            again = partial(self._embedding.again, left_out=rejected)
            left = Reembedded(self._source, rewrites, self._info, again, options)
        self._tracker.begin("verify", 2 * report.planned)
        found = verify(
            left,
            right,
            mode=options.verify,
            where=options.where,
            subset=options.if_exists is IfExists.MERGE,
            without=rejected,
            any_metric=LossKind.METRIC in options.allow,
            losses=self._losses,
            allow=options.allow,
            sample=options.sample,
            queries=options.queries,
            retry=self._retry,
            on_rows=self._tracker.add,
        )
        self._tracker.end()
        report.verification = found
        if not found.equal:
            report.status = Status.DIFFERENT
            if self._checkpoint.state is State.FINISHED:
                report.error = (
                    "it was copied before, and only compared now: --if-exists merge or replace copies it again"
                )
        else:
            report.status = Status.REJECTED if rejected else Status.VERIFIED

    def _rewrites(self) -> list[Rewrite]:
        rewrites = transforming(self._options)
        capabilities = self._target.capabilities
        if LossKind.NESTED in self._options.allow and capabilities is not None and not capabilities.nested_metadata:
            rewrites.append(nested_as_json)
        return rewrites + ([] if self._shape is None else self._shape.rewrites(self._options.allow))

    def _dropped_fields(self) -> list[Rewrite]:
        """What leaves out the fields that the target has not, which the losses name."""
        there = self._target.existing() if self._target.merges else None
        names = list(self._source.info.fields) if there is None else shared_fields(self._source.info, there.info)
        return [] if len(names) == len(self._source.info.fields) else [partial(keep_fields, names=names)]

    @contextmanager
    def _record_failure(self) -> Iterator[None]:
        """Has the report say how the work inside ended, where it ends early."""
        resumable = Status.INCOMPLETE if self._checkpoint.path is not None else Status.FAILED
        try:
            yield
        except (Interrupted, KeyboardInterrupt) as error:
            self._report.status = resumable
            self._report.error = "interrupted" if error.__cause__ is None else f"interrupted; {error.__cause__}"
        except TooManyRejected as error:
            self._report.status = Status.REJECTED
            self._report.error = str(error)
        except SourceChanged as error:
            self._report.status = Status.FAILED
            self._report.error = str(error)
        except VStoreError as error:
            self._report.status = resumable
            self._report.error = f"{type(error).__name__}: {error}"

    def _finish_report(self) -> None:
        report = self._report
        digest, report.size = self._checkpoint.written()
        report.copied, report.digest = digest.rows, str(digest)
        try:
            report.rejected, report.rejected_file = self._rejected_file.write()
        except VStoreError as error:
            report.rejected, report.error = len(self._checkpoint.rejected()), f"{report.error} {error}".strip()
        report.embedding = None if self._embedding is None else self._embedding.figures()
        report.retries = self._retry.retried
        report.seconds = self._tracker.seconds
