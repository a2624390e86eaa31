"""OpenTelemetry and logging: what is told of calls, what is never told, and that nothing is paid without."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import vstore
from vstore import F
from vstore.core.registry import plan
from vstore.errors import Unavailable
from vstore.memory.store import MemoryCollection

SECRETS = ("geheim", "hush", "1.25", "rain in")


class Watch:
    """What was exported."""

    def __init__(self) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meters = MeterProvider([self.reader])
        vstore.instrument(tracer_provider=self.tracers, meter_provider=self.meters)

    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def points(self, name: str) -> list[Any]:
        data: Any = self.reader.get_metrics_data()
        metrics = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics]
        return [point for metric in metrics if metric.name == name for point in metric.data.data_points]


@pytest.fixture
def watch() -> Iterator[Watch]:
    yield Watch()
    vstore.uninstrument()


def calls(docs: vstore.Collection) -> None:
    docs.add(
        ["hush1", "hush2", "hush3"], [[1.25, 2], [3, 4], [5, 6]], ["rain in Rome", None, None], [{"k": "hush"}] * 3
    )
    docs.upsert(["hush1"], [[1.25, 2]])
    docs.get(["hush1", "hush2", "hush9"])
    docs.query([1.25, 0], k=2, where=F("k") == "hush")
    docs.query_many([[1.25, 0], [0, 1]], k=2)
    list(docs.scan(batch_size=2))
    docs.delete(["hush1", "hush2"])
    docs.count()


EXPECTED = [
    ("create_collection", None, None), ("add", 3, None), ("upsert", None, None), ("get", None, 2), ("query", None, 2),
    ("query_many", 2, 4), ("scan", None, None), ("scan", None, 2), ("scan", None, 1), ("scan", None, None),
    ("delete", 2, None), ("count", None, None),
]  # fmt: skip


def told(span: ReadableSpan) -> tuple[Any, Any, Any]:
    given = span.attributes or {}
    names = ("db.operation.name", "db.operation.batch.size", "db.response.returned_rows")
    return given[names[0]], given.get(names[1]), given.get(names[2])  # type: ignore[return-value]


def test_each_call_is_a_span_and_a_duration(watch: Watch) -> None:
    with vstore.connect("memory:") as store:
        calls(store.create_collection("docs", dimension=2, metric="l2"))
    spans = watch.spans()
    assert [told(span) for span in spans] == EXPECTED
    for span in spans:
        assert span.kind is SpanKind.CLIENT
        assert span.name == f"{told(span)[0]} docs"
        assert span.attributes is not None
        assert (span.attributes["db.system.name"], span.attributes["db.collection.name"]) == ("memory", "docs")
        assert span.status.status_code is StatusCode.UNSET
    durations = watch.points("db.client.operation.duration")
    assert {point.attributes["db.operation.name"]: point.count for point in durations} == {
        name: sum(one[0] == name for one in EXPECTED) for name, _, _ in EXPECTED
    }
    assert durations[0].explicit_bounds == (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
    rows = {p.attributes["db.operation.name"]: p.sum for p in watch.points("db.client.response.returned_rows")}
    assert rows == {"get": 2, "query": 2, "query_many": 4, "scan": 3}
    shown = "".join(span.to_json() for span in spans) + str(watch.reader.get_metrics_data())
    assert not [secret for secret in SECRETS if secret in shown]


def test_async_calls_are_told_alike_and_stay_in_their_task(watch: Watch) -> None:
    tracer = watch.tracers.get_tracer("application")

    async def one(store: vstore.aio.AsyncStore, name: str) -> None:
        with tracer.start_as_current_span(name):
            docs = await store.create_collection(name, dimension=2, metric="l2")
            await docs.add(["a", "b"], [[1, 2], [3, 4]])
            async for _ in docs.scan(batch_size=1):
                await asyncio.sleep(0)

    async def main() -> None:
        async with vstore.aio.connect("memory:") as store:
            await asyncio.gather(one(store, "first"), one(store, "second"))

    asyncio.run(main())
    spans = watch.spans()
    parents = {span.context.span_id: span.name for span in spans if span.name in ("first", "second")}
    for name in ("first", "second"):
        own = [span for span in spans if (span.attributes or {}).get("db.collection.name") == name]
        assert [told(span)[0] for span in own] == ["create_collection", "add", *["scan"] * 4]
        assert {parents[span.parent.span_id] for span in own if span.parent} == {name}


def test_an_error_is_told_by_its_kind_alone(watch: Watch) -> None:
    with vstore.connect("memory:") as store:
        docs = store.create_collection("docs", dimension=2)
        docs.add(["hush"], [[1.25, 2]])
        with pytest.raises(vstore.AlreadyExists, match="hush"):
            docs.add(["hush"], [[1.25, 2]])
        with pytest.raises(vstore.InvalidInput):
            docs.query([1.25], k=1)
    *_, exists, invalid = watch.spans()
    for span, kind in ((exists, "vstore.AlreadyExists"), (invalid, "vstore.InvalidInput")):
        assert span.attributes is not None
        assert (span.attributes["error.type"], span.status.status_code) == (kind, StatusCode.ERROR)
        assert (span.status.description, span.events) == (None, ())
        assert not [secret for secret in SECRETS if secret in span.to_json()]
    kinds = [p.attributes.get("error.type") for p in watch.points("db.client.operation.duration")]
    assert sorted(filter(None, kinds)) == ["vstore.AlreadyExists", "vstore.InvalidInput"]


def test_after_the_end_nothing_is_told_and_what_runs_is_told_to_its_end(watch: Watch) -> None:
    with vstore.connect("memory:") as store:
        docs = store.create_collection("docs", dimension=2)
        pages = docs.scan()
        vstore.uninstrument()
        list(pages)
        docs.count()
    assert [told(span)[0] for span in watch.spans()] == ["create_collection", "scan"]


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("postgresql://me:geheim@db.example:5433/app", ("postgresql", "db.example", 5433, "app")),
        ("postgresql:///app?host=/var/run", ("postgresql", "/var/run", None, "app")),
        ("qdrant://h?api_key=geheim", ("qdrant", "h", None, "")),
        ("chroma:./data", ("chroma", "", None, "")),
        ("memory:", ("memory", "", None, "")),
    ],
)
def test_what_a_store_is_connected_to(url: str, server: tuple[Any, ...]) -> None:
    found = plan(url, None, 5.0, 0, {}).server
    assert (found.system, found.address, found.port, found.namespace) == server


QUIET = """
import sys
import numpy as np
import vstore
with vstore.connect("memory:") as store:
    docs = store.create_collection("docs", dimension=2)
    docs.add(["a"], np.ones((1, 2)))
    seen = set()
    sys.setprofile(lambda frame, event, _: seen.add(frame.f_globals.get("__name__")))
    docs.query([1.0, 2.0], k=1)
    docs.upsert(["a"], [[1.0, 2.0]])
    list(docs.scan())
    sys.setprofile(None)
    assert "vstore.core.operation" in seen
    watching = ("vstore.telemetry", "vstore.logs", "vstore.core.observing")
    print(sorted(name for name in seen if name in watching))
    print(sorted(name for name in sys.modules if name.startswith(("opentelemetry", "logging", "vstore.telemetry"))))
"""


def test_without_it_nothing_is_imported_and_nothing_is_called() -> None:
    done = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"


def test_retries_are_logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    real, failing = MemoryCollection.count, [True, True]

    def count(self: MemoryCollection, where: Any) -> int:
        if failing:
            failing.pop()
            raise Unavailable("geheim")
        return real(self, where)

    monkeypatch.setattr(MemoryCollection, "count", count)
    with caplog.at_level(logging.DEBUG, "vstore"), vstore.connect("memory:", retries=3) as store:
        assert store.create_collection("docs", dimension=2).count() == 0
    assert [one.name for one in caplog.records] == ["vstore.retries"] * 2
    assert "memory: Unavailable; retry 1 of 3 in" in caplog.text
    assert "geheim" not in caplog.text


def test_emulations_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with vstore.connect("chroma::memory:") as store:
        docs = store.create_collection("docs", dimension=2)
        with caplog.at_level(logging.DEBUG, "vstore"):
            docs.query([1, 2], where=F("geheim") == "geheim", exact=True)
        note = store.capabilities.exact_query.note
    messages = [one.getMessage() for one in caplog.records if one.name == "vstore.emulations"]
    assert f"chroma: exact_query is emulated: {note}" in messages
    assert "geheim" not in caplog.text


def test_splits_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with vstore.connect("qdrant::memory:") as store:
        docs = store.create_collection("docs", dimension=2)
        with caplog.at_level(logging.DEBUG, "vstore"):
            docs.upsert([f"geheim{n}" for n in range(2500)], np.ones((2500, 2)))
    splits = [one.getMessage() for one in caplog.records if one.name == "vstore.splits"]
    following = "records are done, the next request follows"
    assert [message.partition(": ")[2] for message in splits] == [f"1000 {following}", f"2000 {following}"]
    assert "geheim" not in caplog.text
