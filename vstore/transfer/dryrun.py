"""Reports what a copy would do: reads the source, and the target's settings, and writes nothing there."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from math import ceil
from time import monotonic
from typing import Any, Final, Unpack

from vstore.errors import InvalidInput, LimitExceeded, Mismatch, Unsupported, VStoreError
from vstore.fields import field_to_dict
from vstore.filters.tree import Filter
from vstore.indexing import index_to_dict
from vstore.info import CollectionInfo
from vstore.records import Record
from vstore.transfer.calls import RetryPolicy
from vstore.transfer.embedding import Reembedded, changes, close_embedder, planned_info, transforming
from vstore.transfer.endpoint import Source, Target
from vstore.transfer.fields import creatable, field_losses, keep_fields, without_indexes
from vstore.transfer.layout_target import LayoutTarget, shape_of, shared_ids
from vstore.transfer.loss import LossKind, check_limits, not_allowed, source_losses, static_losses, survey_losses
from vstore.transfer.options import CopyKeywords, CopyOptions, IfExists, occupied
from vstore.transfer.plan import Repeats, Survey, growth, make_plan, rows_per_chunk, size_of
from vstore.transfer.report import Report, Status
from vstore.transfer.texts import TextSurvey, costing, stand_in
from vstore.transfer.transform import Rewrite, Rewritten, nested_as_json
from vstore.transfer.unmatched import check_matched, doubts

__all__ = ["dry_run"]

_PAGE: Final = 1_000


def dry_run(source: Source, target: Target, **keywords: Unpack[CopyKeywords]) -> Report:
    """Reads every record of the source once and reports what a copy would meet.

    The report's ``plan`` has: ``records``, ``dimension``, ``metric``, ``index``, ``fields`` (what each named field is,
    and how many records have it), ``ids`` (type and longest, in bytes), ``documents``, ``metadata`` (for each key the
    types of its values, with counts, and how many records lack it), ``limits`` of the target, ``target_records`` (None
    where there is no such collection), ``chunks``, ``bytes``, ``seconds`` that reading took, and ``write_seconds``. The
    last estimates writing and indexing by a trial with the first 1,000 records; it is None where the target is there
    already, or is a server, and is not to be written to. ``losses`` has what must be allowed, ``problems`` what no
    option gets over. ``embedding`` has what embedding takes; nothing is embedded, and the trial writes random vectors.

    Args:
        source: What would be copied.
        target: Where to.
        **keywords: As for ``copy``. Those that say how to write and to compare are checked and not used.
    """
    options = CopyOptions.of(keywords)
    try:
        return _dry_run(source, target, options)
    finally:
        if isinstance(keywords.get("embed"), str):
            close_embedder(options.embed)


def _dry_run(source: Source, target: Target, options: CopyOptions) -> Report:
    where, if_exists = options.where, options.if_exists
    retry, survey = RetryPolicy(options.retries, options.max_rps), Survey()
    info = retry.call(partial(planned_info, source, options, retry))
    left = retry.call(partial(source_losses, source, where))
    shape = shape_of(target, source.info.dimension, info.dimension)
    changed, notes = changes(source.info, info, embeds=options.embed is not None)
    made = None if shape is None else shape.ids_made
    repeats = Repeats(source, transformed=options.transform is not None, ids_made=made)
    chunks, texts = _embedding(source, target, info, options, retry)
    if options.embed is not None:
        source = Reembedded(source, transforming(options), info, stand_in(options, info), options)
    elif options.transform is not None:
        source = Rewritten(source, transforming(options), info)
    shared = shared_ids(target, retry)
    size, began = 0, monotonic()
    for page in retry.scan(source, where=where, batch_size=_PAGE):
        survey.add(page.records)
        if shape is not None:
            shape.look(page.records)
        if shared is not None:
            shared.look(page.records)
        repeats.add(page.records.ids)
        size += size_of(page.records)
    seconds = monotonic() - began
    existing = target.existing()
    held = None if existing is None else existing.count()
    there = None if existing is None or if_exists is IfExists.REPLACE or not target.merges else existing.info
    report = Report(source.identity or source.backend, target.identity or target.backend, info.name, Status.PLANNED)
    problems: list[str] = []
    try:
        repeats.refuse(source, where, retry)
    except (Mismatch, InvalidInput) as error:
        problems.append(str(error))
    try:
        check_limits(info if shape is None else shape.held, target.capabilities, options.maker)
        # in the order in which the copy lists them
        static = static_losses(info if shape is None else shape.held, target, there, options.maker)
        report.losses = [*static, *changed, *(shape.static_losses() if shape else ())]
        report.losses += [*field_losses(info, target.capabilities, there), *left]
        report.losses += [*survey_losses(survey, target.capabilities), *(shape.losses() if shape else ())]
        report.losses += texts.losses() if texts else ()
    except VStoreError as error:
        problems.append(str(error))
    if shared is not None:
        shared.note()
        if taken := shared.problem():
            problems.append(str(taken))
    if problem := occupied(target, held or 0, if_exists):
        problems.append(str(problem))
    if where is not None:
        try:
            report.notes = [check_matched(source, where)] if not survey.rows else doubts(source, where)
        except InvalidInput as error:
            problems.append(str(error))
    report.notes += notes
    if texts is not None:
        report.embedding = texts.figures
        if refused := texts.problem():
            problems.append(str(refused))
    capabilities = target.capabilities
    if capabilities is not None and survey.longest_document > (most := capabilities.limits.max_document_bytes):
        problems.append(f"the longest document has {survey.longest_document:,} bytes; the target takes {most:,}")
    if capabilities is not None and capabilities.sparse_vectors:
        most = capabilities.limits.max_sparse_values
        problems += [
            f"the longest vector of {name!r} has {longest:,} values; the target takes {most:,}"
            for name, longest in survey.longest_sparse.items()
            if longest > most
        ]
    rows = rows_per_chunk(target, max(1, size // max(1, survey.rows)), options.chunk_rows)
    report.planned, report.chunks = survey.rows, chunks or ceil(survey.rows / rows)
    report.plan = {
        "records": survey.rows,
        "dimension": info.dimension,
        "metric": info.metric.value,
        "index": index_to_dict(info.index),
        "fields": {
            name: {**field_to_dict(field), "present": survey.fields[name]} for name, field in info.fields.items()
        },
        "ids": {"type": "str", "longest_bytes": survey.longest_id},
        "documents": {"present": survey.documents, "longest_bytes": survey.longest_document},
        "metadata": _schema(survey),
        "limits": None if capabilities is None else asdict(capabilities.limits),
        "target_records": held,
        "rows_per_chunk": rows,
        "bytes": size,
        "seconds": round(seconds, 3),
        "write_seconds": _trial(source, target, where, survey.rows, problems) if target.is_temporary else None,
        "allowed_by": sorted({loss.kind.value for loss in not_allowed(report.losses, frozenset())}),
        "problems": problems,
    }
    return report


def _embedding(
    source: Source, target: Target, info: CollectionInfo, options: CopyOptions, retry: RetryPolicy
) -> tuple[int | None, TextSurvey | None]:
    """Plans as the copy will, as chunks decide what an embedder is asked for at once; returns how many there are."""
    if options.embed is None:
        return None, None
    flat = target.capabilities is not None and not target.capabilities.nested_metadata
    with costing(options, info) as texts:
        chunks, _ = make_plan(
            source,
            lambda size: rows_per_chunk(target, size + growth(source.info, info), options.chunk_rows),
            options.where,
            texts.include(("metadatas",) if flat else ()),
            retry,
            texts.add,
        )
    return len(chunks), texts


def _trial(source: Source, target: Target, where: Filter | None, rows: int, problems: list[str]) -> float | None:
    """Writes the first records to a temporary target, and returns how many seconds all of them will take."""
    first = next((page.records for page in source.scan(where=where, batch_size=_PAGE)), None)
    if first is None or problems:
        return None

    def reject(chunk: int, record: Record, error: VStoreError) -> None:  # noqa: ARG001 (as every Reject)
        problems.append(f"the record {record.id!r} is rejected: {error}")

    info, index = creatable(source.info, target.capabilities)
    try:
        target.create(info, index, source)
    except (Unsupported, LimitExceeded):  # which the losses tell
        target.create(without_indexes(info), None, source)
    first = keep_fields(first, info.fields)
    sink, began = target.sink(reject), monotonic()
    rewrites: list[Rewrite] = (
        [nested_as_json] if target.capabilities and not target.capabilities.nested_metadata else []
    )
    if isinstance(target, LayoutTarget):
        rewrites += target.shape.rewrites(frozenset(LossKind))
    sent = first
    for rewrite in rewrites:
        sent = rewrite(sent)
    sink.write(0, sent)
    sink.finish()
    return round((monotonic() - began) * rows / len(first), 3)


def _schema(survey: Survey) -> dict[str, Any]:
    return {
        key: {**dict(types), "missing": survey.rows - sum(types.values())} for key, types in sorted(survey.keys.items())
    }
