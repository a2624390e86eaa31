"""What a copy does and refuses: points 1 to 14 of what moving data must be (docs/migration.md)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient
from qdrant_client.models import Distance, PointStruct, VectorParams

import vstore
from tests.transfer.faulty import (
    Lasting,
    Sometimes,
    faulty_store,
    filled,
    many,
    no_more_than,
    refusing,
    source_of,
    target_in,
)
from vstore import (
    HNSW,
    AlreadyExists,
    F,
    Flat,
    InvalidInput,
    IVFFlat,
    Mismatch,
    NotFound,
    Quantization,
    Record,
    Records,
    Store,
    Unavailable,
    Unsupported,
    connect,
)
from vstore.capabilities import no
from vstore.conformance.corpus import records as corpus
from vstore.conformance.fixtures import clause
from vstore.memory.store import CAPABILITIES
from vstore.transfer import CollectionSource, CollectionTarget, LossKind, Progress, Status, copy, verify
from vstore.transfer.calls import RetryPolicy
from vstore.transfer.checkpoint import CopyCheckpoint
from vstore.transfer.dryrun import dry_run
from vstore.transfer.opening import open_location


@pytest.fixture
def store() -> Store:
    return connect("memory:")


@clause("MIG-1")
@pytest.mark.parametrize("scheme", ["chroma", "qdrant", "milvus", "pgvector"])
@pytest.mark.parametrize("there", ["nothing", "other files"])
def test_for_a_missing_source_nothing_is_made(scheme: str, there: str, tmp_path: Path) -> None:
    path = tmp_path / "typo.db"
    if there == "other files" and scheme != "milvus":  # Milvus Lite's own form has nothing to know it by
        path.mkdir()
        (path / "notes.txt").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(NotFound, match="no database of"):
        open_location(f"{scheme}:{path}", new=False, timeout=30)
    assert sorted(tmp_path.rglob("*")) == before


@clause("MIG-1")
@pytest.mark.parametrize("scheme", ["chroma", "qdrant", "milvus", "pgvector"])
def test_a_source_that_is_there_is_opened_and_stays_as_it_is(scheme: str, tmp_path: Path) -> None:
    url = f"{scheme}:{tmp_path / 'data.db'}"
    records = many(20)
    with connect(url) as made:
        filled(made, records)
    with open_location(url, new=False, timeout=30) as place:
        assert place.names() == ["docs"]
        with pytest.raises(NotFound):
            place.source("dcos")
        assert place.names() == ["docs"]
        report = copy(place.source("docs"), target_in(connect("memory:")))
        assert report.status is Status.VERIFIED
        assert place.source("docs").count() == 20


@clause("MIG-2")
def test_a_dry_run_tells_what_would_happen_and_writes_nothing() -> None:
    records = many(50)
    records.metadatas[7]["part"] = "three"  # type: ignore[index]
    records.metadatas[8]["nested"] = {"a": 1}  # type: ignore[index]
    target = faulty_store(index_hnsw=no("not here"), nested_metadata=no("flat"))
    report = dry_run(source_of(records, metric="dot"), target_in(target))
    assert report.status is Status.PLANNED
    assert report.exit_code == 0
    assert target.list_collections() == []
    plan = report.plan
    assert plan is not None
    assert (plan["records"], plan["dimension"], plan["metric"]) == (50, 8, "dot")
    assert plan["index"]["kind"] == "hnsw"
    assert plan["ids"] == {"type": "str", "longest_bytes": 9}
    assert plan["documents"]["present"] == 40
    assert plan["metadata"]["part"] == {"int": 49, "str": 1, "missing": 0}
    assert plan["metadata"]["nested"] == {"object": 1, "missing": 49}
    assert plan["metadata"]["tags"] == {"list of str": 50, "missing": 0}
    assert plan["limits"]["max_dimension"] == 65_536
    assert plan["bytes"] > 50 * 8 * 4
    assert plan["seconds"] >= 0
    assert plan["allowed_by"] == ["index-change", "nested-as-json"]
    assert [loss.kind for loss in report.losses] == [LossKind.INDEX, LossKind.NESTED]


@clause("MIG-2")
def test_a_dry_run_tells_what_no_option_gets_over(store: Store) -> None:
    filled(store, many(3, dimension=4))
    report = dry_run(source_of(many(5)), target_in(store))
    assert report.plan is not None
    assert [text for text in report.plan["problems"] if "dimension 4" in text]
    assert [text for text in report.plan["problems"] if "holds 3 records" in text]
    limits = replace(CAPABILITIES.limits, max_dimension=4, max_document_bytes=3)
    report = dry_run(source_of(many(5)), target_in(faulty_store(limits=limits)))
    assert report.plan is not None
    assert [text for text in report.plan["problems"] if "8 dimensions" in text]
    assert [text for text in report.plan["problems"] if "longest document" in text]


@clause("MIG-3")
@pytest.mark.parametrize(
    ("settings", "lacking", "kind"),
    [
        ({}, {"index_hnsw": no("not here")}, "index-change"),
        ({"index": Flat()}, {"index_flat": no("not here")}, "index-change"),
        ({"index": HNSW(quantization="int8")}, {"quantization": no("not here")}, "index-change"),
        ({"index": HNSW(quantization="int8")}, {"quantizations": (Quantization.BINARY,)}, "index-change"),
    ],
)
def test_another_index_is_refused_and_can_be_allowed(
    settings: dict[str, Any], lacking: dict[str, Any], kind: str
) -> None:
    source = source_of(many(10), **settings)
    target = faulty_store(**lacking)
    with pytest.raises(Unsupported, match=kind):
        copy(source, target_in(target))
    assert target.list_collections() == []
    report = copy(source, target_in(target), allow=[kind])
    assert report.status is Status.VERIFIED
    assert [loss.kind.value for loss in report.losses] == [kind]


@clause("MIG-3")
def test_nested_metadata_needs_leave_to_become_json() -> None:
    records = many(300)
    records.metadatas[299]["o"] = {"a": {"b": [1.0, -0.0]}}  # type: ignore[index]
    target = faulty_store(nested_metadata=no("flat"))
    with pytest.raises(Unsupported, match="nested-as-json"):
        copy(source_of(records), target_in(target))
    assert target.list_collections() == []
    report = copy(source_of(records), target_in(target), allow=["nested-as-json"])
    assert report.status is Status.VERIFIED
    assert target.get_collection("docs").get(["id-000299"])[0].metadata["o"] == '{"a": {"b": [1.0, -0.0]}}'  # type: ignore[index]


@clause("MIG-3")
def test_a_merge_names_each_setting_that_differs(store: Store) -> None:
    there = store.create_collection("docs", dimension=8, metric="cosine", index=Flat(), metadata={"of": "another"})
    source = source_of(many(10), metadata={"of": "this"})
    with pytest.raises(Unsupported) as caught:
        copy(source, target_in(store), if_exists="merge")
    for kind in ("metric-change", "index-change", "collection-metadata"):
        assert kind in caught.value.message
    assert there.count() == 0
    allowed = ["metric-change", "index-change", "collection-metadata"]
    assert copy(source, target_in(store), if_exists="merge", allow=allowed).status is Status.VERIFIED
    assert there.info.metric == "cosine"
    with pytest.raises(Mismatch, match="dimension"):
        copy(source_of(many(10, dimension=4)), target_in(store), if_exists="merge", allow=allowed)
    with pytest.raises(InvalidInput, match="no loss is called"):
        copy(source, target_in(store), allow=["everything"])


@clause("MIG-4")
@pytest.mark.parametrize("metric", ["cosine", "l2", "dot"])
@pytest.mark.parametrize("index", [Flat(), HNSW(m=7, ef_construction=77, ef_search=9), IVFFlat(lists=3, probes=2)])
def test_metric_and_index_come_from_the_source(store: Store, metric: str, index: Any) -> None:
    source = source_of(many(20), metric=metric, index=index, metadata={"owner": "it's me", "n": 1})
    assert copy(source, CollectionTarget(store, "again")).status is Status.VERIFIED
    made = store.get_collection("again").info
    assert (made.metric, made.index, made.metadata) == (metric, index, {"owner": "it's me", "n": 1})


@clause("MIG-4")
def test_the_name_of_the_embedder_is_kept(store: Store) -> None:
    class Embedder:
        name = "minilm"
        dimension = 8

        def embed(self, texts: Any) -> Any:
            return np.ones((len(texts), 8), dtype=np.float32)

    source = source_of(many(3), embedder=Embedder())
    assert copy(source, target_in(store)).status is Status.VERIFIED
    assert store.get_collection("docs").info.embedder == "minilm"


IDS = [
    "a", " ", "'; drop table x --", 'q"uote', "back\\slash", "%s", "é", "e\u0301", "日本", "\U0001f600", "x" * 512, "1",
    "01", "550e8400-e29b-41d4-a716-446655440000", "550E8400-E29B-41D4-A716-446655440000", "\u202eabc",
]  # fmt: skip


@clause("MIG-5")
@pytest.mark.parametrize("scheme", ["chroma", "pgvector", "qdrant"])
def test_ids_are_kept_as_they_are(scheme: str, tmp_path: Path, store: Store) -> None:
    vectors = np.random.default_rng(5).standard_normal((len(IDS), 4), dtype=np.float32)
    source = source_of(Records(IDS, vectors))
    with connect(f"{scheme}:{tmp_path / 'data'}") as middle:
        assert copy(source, target_in(middle)).status is Status.VERIFIED
        back = CollectionSource(middle, middle.get_collection("docs"))
        assert copy(back, target_in(store)).status is Status.VERIFIED
    assert store.get_collection("docs").get(IDS).ids == IDS


@clause("MIG-6")
def test_a_target_with_records_is_refused_and_left_alone(store: Store) -> None:
    there = filled(store, many(3), metadata={"n": 1})
    with pytest.raises(AlreadyExists, match="holds 3 records") as caught:
        copy(source_of(many(10)), target_in(store))
    assert "--if-exists merge" in caught.value.hint
    assert there.count() == 3


@clause("MIG-6")
def test_merge_keeps_what_is_there_and_replace_does_not(store: Store) -> None:
    own = Records(["own", "id-000001"], np.ones((2, 8), dtype=np.float32), ["mine", "old"], [{}, {"old": 1}])
    filled(store, own)
    assert copy(source_of(many(10)), target_in(store), if_exists="merge").status is Status.VERIFIED
    there = store.get_collection("docs")
    assert there.count() == 11
    assert there.get(["own", "id-000001"]).documents == ["mine", "text 1"]
    assert "old" not in there.get(["id-000001"])[0].metadata  # type: ignore[operator]
    assert copy(source_of(many(10)), target_in(store), if_exists="replace").status is Status.VERIFIED
    assert store.get_collection("docs").count() == 10


@clause("MIG-6")
def test_an_empty_collection_is_no_obstacle(store: Store) -> None:
    store.create_collection("docs", dimension=8, metric="l2", index=HNSW(m=8))
    assert copy(source_of(many(10)), target_in(store)).status is Status.VERIFIED


@clause("MIG-6")
def test_a_collection_is_not_copied_onto_itself(tmp_path: Path) -> None:
    url = f"chroma:{tmp_path / 'data'}"
    with connect(url) as made:
        filled(made, many(5))
    with open_location(url, new=False, timeout=30) as place:
        for mode in (None, "merge", "replace"):
            with pytest.raises(InvalidInput, match="same collection"):
                copy(place.source("docs"), place.target("docs"), if_exists=mode)
        assert place.source("docs").count() == 5


@clause("MIG-7")
def test_the_plan_is_stored_first_and_the_same_for_any_workers(tmp_path: Path) -> None:
    plans = []
    seen: list[tuple[Any, ...]] = []

    class Looking(CopyCheckpoint):
        def advance(self, state: Any) -> None:
            seen.append((state, [(c.number, c.after, c.rows, str(c.ids)) for c in self.pending()]))
            super().advance(state)

    for workers in (1, 2, 7):
        seen.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("vstore.transfer.api.CopyCheckpoint", Looking)
            report = copy(source_of(many(100)), target_in(connect("memory:")), workers=workers, chunk_rows=9)
        assert report.status is Status.VERIFIED
        assert report.chunks == 12
        state, chunks = seen[0]  # the state that comes before the first write
        assert state == "writing"
        plans.append(chunks)
    assert plans[0] == plans[1] == plans[2]
    assert [rows for _, _, rows, _ in plans[0]] == [9] * 11 + [1]


@clause("MIG-8")
@pytest.mark.parametrize("workers", [1, 3])
def test_chunks_in_memory_are_bounded(workers: int) -> None:
    read = written = most = 0
    overlapped = False

    class Counting(CollectionSource):
        def scan(self, **settings: Any) -> Any:
            nonlocal read
            for page in super().scan(**settings):
                if settings.get("include") != () and settings["batch_size"] == 5:
                    read += 1
                yield page

    def on_upsert(records: Records) -> Records:
        nonlocal written, most, overlapped
        most = max(most, read - written)
        overlapped |= read - written > 1  # more was read while this one is written
        written += 1
        return records

    memory = connect("memory:")
    source = Counting(memory, filled(memory, many(500)))
    copy(source, target_in(faulty_store(on_upsert=on_upsert)), workers=workers, chunk_rows=5, verify="none")
    assert written == 100
    assert most <= 3 * workers + workers  # a reader may have counted the page that waits for room in the queue
    assert overlapped


@clause("MIG-9")
def test_chunks_keep_the_limits_of_the_target() -> None:
    for limits, chunks in (({"max_batch_rows": 30}, 4), ({"max_batch_bytes": 2_000}, 7)):
        store = faulty_store(limits=replace(CAPABILITIES.limits, **limits))
        assert copy(source_of(many(100)), target_in(store)).chunks == chunks


@clause("MIG-9")
@pytest.mark.parametrize("where", [None, F("part") < 3])
def test_chunks_are_smaller_where_records_are_larger(where: Any) -> None:
    records = many(1000)
    documents = ["x" * (50_000 if 400 <= place < 600 else 10) for place in range(1000)]
    heavy = replace(records, documents=documents)
    pages: list[int] = []

    def on_upsert(written: Records) -> Records:
        pages.append(sum(map(len, written.documents or ())))  # type: ignore[arg-type]
        return written

    store = faulty_store(on_upsert=on_upsert, limits=replace(CAPABILITIES.limits, max_batch_bytes=1_000_000))
    report = copy(source_of(heavy), target_in(store), where=where, workers=2)
    assert report.status is Status.VERIFIED
    assert report.copied == 1000
    assert max(pages) <= 2 * 1_000_000


@clause("MIG-9")
def test_what_is_too_large_is_halved() -> None:
    sizes: list[int] = []

    def on_upsert(records: Records) -> Records:
        sizes.append(len(records))
        return no_more_than(7)(records)

    report = copy(source_of(many(100)), target_in(faulty_store(on_upsert=on_upsert)))
    assert report.status is Status.VERIFIED
    assert max(sizes) == 100
    assert sum(n for n in sizes if n <= 7) == 100


@clause("MIG-10")
def test_only_upserts_are_made() -> None:
    # the faulty store's add raises AssertionError
    assert copy(source_of(many(50)), target_in(faulty_store()), chunk_rows=7).status is Status.VERIFIED


@clause("MIG-11")
@pytest.mark.usefixtures("no_pauses")
def test_retryable_errors_of_reads_and_writes_are_retried() -> None:
    shaky = faulty_store(on_scan=Sometimes(3))
    filled(shaky, many(200))
    source = CollectionSource(shaky, shaky.get_collection("docs"))
    target = faulty_store(on_upsert=Sometimes(4), on_scan=Sometimes(5), on_get=Sometimes(2))
    report = copy(source, target_in(target), chunk_rows=10, workers=2)
    assert report.status is Status.VERIFIED, report.error
    assert report.retries > 10


@clause("MIG-11")
@pytest.mark.usefixtures("no_pauses")
def test_an_error_that_stays_ends_the_copy_and_is_told() -> None:
    target = faulty_store(on_upsert=Sometimes(1))
    report = copy(source_of(many(20)), target_in(target), retries=3)
    assert report.status is Status.FAILED
    assert report.retries == 3
    assert "the connection was lost" in report.error
    with pytest.raises(vstore.BackendError, match="failed"):
        report.check()


@clause("MIG-11")
def test_calls_keep_to_a_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept = 100.0, []

    def sleep(seconds: float) -> None:
        nonlocal now
        slept.append(seconds)
        now += seconds

    monkeypatch.setattr("vstore.transfer.calls.monotonic", lambda: now)
    monkeypatch.setattr("vstore.transfer.calls.sleep", sleep)
    retry = RetryPolicy(max_rps=4.0)
    for _ in range(9):
        retry.call(lambda: None)
    assert slept == [0.25] * 8
    with pytest.raises(InvalidInput):
        RetryPolicy(max_rps=0)


@clause("MIG-12")
def test_a_rejected_record_is_found_in_its_batch(tmp_path: Path) -> None:
    file = tmp_path / "dead.jsonl"
    target = faulty_store(on_upsert=refusing("id-000042"))
    report = copy(source_of(many(100)), target_in(target), rejected_file=file, chunk_rows=50)
    assert report.status is Status.REJECTED
    assert report.exit_code == 5
    assert report.rejected == 1
    assert "id-000042" in report.error
    [line] = vstore_lines(file)
    assert line["id"] == "id-000042"
    assert "too large" in line["reason"]
    assert line["record"]["metadata"]["part"] == 42 % 3
    assert len(line["record"]["vector"]) == 8


@clause("MIG-12")
@pytest.mark.parametrize("verify_mode", ["full", "sample", "none"])
def test_rejected_records_within_the_bound_do_not_end_a_copy(tmp_path: Path, verify_mode: str) -> None:
    file = tmp_path / "dead.jsonl"
    target = faulty_store(on_upsert=refusing("id-000003", "id-000042"))
    report = copy(source_of(many(100)), target_in(target), rejected_file=file, max_errors=2, verify=verify_mode)
    assert report.status is Status.REJECTED
    assert report.copied == 98
    assert [line["id"] for line in vstore_lines(file)] == ["id-000003", "id-000042"]
    assert target.get_collection("docs").count() == 98
    if report.verification is not None:
        assert report.verification.equal
        assert report.verification.excluded == 2


@clause("MIG-2", "MIG-12")
def test_metadata_go_over_as_far_as_the_target_takes_them(tmp_path: Path) -> None:
    """Beyond the 32 KB that every store takes; what is too large is named by the dry run and rejected by the copy."""
    with connect("memory:") as here, connect("qdrant::memory:") as there:
        made = here.create_collection("docs", dimension=2)
        sizes = {"small": 10, "large": 40_000, "huge": 3 << 20, "other": 3 << 20}
        made.add(list(sizes), np.eye(2)[[0, 1, 0, 1]], metadatas=[{"k": "x" * size} for size in sizes.values()])
        source, target = CollectionSource(here, made), CollectionTarget(there, "docs")
        told = dry_run(source, target)
        assert told.plan is not None
        assert told.exit_code == 2
        [problem] = told.plan["problems"]
        said = "3,145,736 bytes as JSON; at most 2,097,152 are allowed"
        assert problem.startswith(
            f"the target rejects 2 records: 'huge' ({said}); 'other' ({said}). To leave them out: "
        )
        allowed = dry_run(source, target, max_errors=2)
        assert (allowed.exit_code, len(allowed.notes)) == (0, 1)
        report = copy(source, target, max_errors=2, rejected_file=tmp_path / "rejected.jsonl", queries=0)
        assert (report.status, report.rejected, report.copied) == (Status.REJECTED, 2, 2)
        assert {line["id"] for line in vstore_lines(tmp_path / "rejected.jsonl")} == {"huge", "other"}
        assert report.verification is not None
        assert report.verification.equal
        assert there.get_collection("docs").get(["large"]).metadatas == [{"k": "x" * 40_000}]
        for form in ("docs.parquet", "docs.jsonl"):
            assert vstore.copy(made, str(tmp_path / form)).status is Status.VERIFIED


@clause("MIG-2")
def test_a_dry_run_names_what_no_store_takes() -> None:
    """Of records that another program wrote, to which the contract's limits do not apply."""
    client = QdrantClient(":memory:")
    client.create_collection("docs", VectorParams(size=2, distance=Distance.DOT))
    payloads: list[dict[str, Any]] = [{"n": 1}, {"many": list(range(2_000))}, {f"k{i}": i for i in range(1_500)}]
    client.upsert("docs", [PointStruct(id=i, vector=[1.0, i], payload=one) for i, one in enumerate(payloads)])
    with connect(client=client) as here, connect("memory:") as there:
        source = CollectionSource(here, here.get_collection("docs", mapping="auto"))
        target = CollectionTarget(there, "docs")
        told = dry_run(source, target)
        assert told.plan is not None
        [problem] = told.plan["problems"]
        assert problem.startswith(
            "the target rejects 2 records: '1' ('many': the list has 2,000 elements; 1 to 1,000 are allowed); "
            "'2' (1,500 keys; at most 1,000 are allowed)"
        )
        report = copy(source, target, max_errors=2)
        assert (report.status, report.rejected, report.copied) == (Status.REJECTED, 2, 1)
    client.close()


def vstore_lines(file: Path) -> list[dict[str, Any]]:
    import json

    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@clause("MIG-14")
def test_a_filter_copies_a_part(store: Store) -> None:
    report = copy(source_of(many(100)), target_in(store), where=(F("part") == 1) & (F("weight") < 10.0), chunk_rows=8)
    assert report.status is Status.VERIFIED
    wanted = [i for i in range(100) if i % 3 == 1 and i / 7 < 10]
    assert report.copied == len(wanted) > 0
    assert store.get_collection("docs").get([f"id-{i:06}" for i in wanted]).ids == [f"id-{i:06}" for i in wanted]


@clause("MIG-14")
def test_a_function_rewrites_records(store: Store) -> None:
    def shorten(record: Record) -> Record | None:
        assert record.metadata is not None
        if record.metadata["part"] == 0:
            return None
        return replace(record, id=f"new/{record.id}", metadata={"part": record.metadata["part"] + 0.5})

    report = copy(source_of(many(30)), target_in(store), transform=shorten, chunk_rows=4)
    assert report.status is Status.VERIFIED
    made = store.get_collection("docs")
    assert made.count() == 20
    assert made.get(["new/id-000001"]).metadatas == [{"part": 1.5}]


@clause("MIG-14")
@pytest.mark.parametrize("verify_mode", ["full", "sample", "none"])
def test_a_function_that_maps_two_records_to_one_id_is_found_out(store: Store, verify_mode: str) -> None:
    def cut(record: Record) -> Record:
        return replace(record, id=record.id[:8])

    for chunk_rows, where in ((1, "records of different chunks"), (100, "records of chunk 0")):
        target = CollectionTarget(store, f"by_{chunk_rows}")
        report = copy(source_of(many(30)), target, transform=cut, chunk_rows=chunk_rows, verify=verify_mode)
        assert (report.exit_code, report.copied) == (1, 1 if chunk_rows == 1 else 0)
        assert f"the transform gave {where} the same id 'id-00000'" in report.error
        problems = (dry_run(source_of(many(30)), target, transform=cut).plan or {})["problems"]
        assert ["several records the id 'id-00000'" in problem for problem in problems] in ([True], [True, False])


@clause("MIG-14")
def test_one_id_in_two_chunks_ends_a_merge_without_comparison(tmp_path: Path) -> None:
    def cut(record: Record) -> Record:
        return replace(record, id="one" if record.id in ("id-000003", "id-000017") else record.id)

    store = faulty_store()
    filled(store, many(3), index=Flat())
    options: dict[str, Any] = {"transform": cut, "chunk_rows": 5, "if_exists": "merge", "verify": "none"}
    report = copy(source_of(many(20), index=Flat()), Lasting(store, "docs"), state=tmp_path, **options)
    assert (report.status, report.copied) == (Status.INCOMPLETE, 15)
    assert "the transform gave records of different chunks the same id 'one'" in report.error
    part = store.get_collection("docs").get(["one"]).metadatas
    assert part is not None
    assert part[0]["weight"] == 3 / 7
    again = copy(source_of(many(20), index=Flat()), Lasting(store, "docs"), state=tmp_path, **options)
    assert (again.resumed, again.copied) == (True, 15)
    assert "the same id 'one'" in again.error


@clause("MIG-14")
@pytest.mark.parametrize("answer", [1, Record("x")])
def test_a_function_that_gives_no_record_ends_the_copy(store: Store, answer: Any) -> None:
    report = copy(source_of(many(3)), target_in(store), transform=lambda _: answer)
    assert report.exit_code == 1
    assert "transform" in report.error


@clause("MIG-4")
def test_every_kind_of_metadata_and_document_arrives(store: Store) -> None:
    records = corpus(CAPABILITIES)
    assert copy(source_of(records), target_in(store), chunk_rows=50, workers=2).status is Status.VERIFIED
    assert store.get_collection("docs").get(records.ids).metadatas == records.metadatas


@clause("MIG-4")
def test_an_empty_collection_is_copied(store: Store) -> None:
    report = copy(source_of(many(0)), target_in(store))
    assert report.status is Status.VERIFIED
    assert (report.copied, report.chunks) == (0, 0)
    assert store.get_collection("docs").info.dimension == 8


@clause("MIG-24")
def test_progress_is_told_phase_by_phase(store: Store) -> None:
    told: list[Progress] = []
    copy(source_of(many(100)), target_in(store), chunk_rows=30, on_progress=told.append)
    assert [p.phase for p in told if p.rows == 0] == ["plan", "copy", "verify"]
    assert [p.rows for p in told if p.phase == "copy"] == [0, 30, 60, 90, 100]
    assert told[-1].rows == told[-1].total == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "append"},
        {"verify": "much"},
        {"workers": 0},
        {"max_errors": -1},
        {"sample": 0},
        {"queries": -1},
        {"chunk_rows": 0},
        {"max_rps": -1.0},
        {"retries": -1},
        {"state": Path("somewhere")},
    ],
)
def test_options_are_checked_first(store: Store, wrong: dict[str, Any]) -> None:
    source = source_of(many(3))
    source._identity = "memory:x#docs"
    target = CollectionTarget(store, "docs")
    if "state" in wrong:
        report = copy(source, target, **wrong)  # memory is not persistent: nothing is kept
        assert report.checkpoint == ""
        assert not Path("somewhere").exists()
        return
    with pytest.raises(InvalidInput):
        copy(source, target, **wrong)
    assert store.list_collections() == []


def test_a_source_that_fails_is_told(store: Store) -> None:
    failing = faulty_store(on_scan=Sometimes(1, Unavailable("gone", retryable=False)))
    filled(failing, many(3))
    with pytest.raises(Unavailable, match="gone"):
        copy(CollectionSource(failing, failing.get_collection("docs")), target_in(store))
    assert store.list_collections() == []


@clause("MIG-19")
def test_verify_needs_no_copy(store: Store) -> None:
    filled(store, many(20))
    assert verify(source_of(many(20)), CollectionSource(store, store.get_collection("docs"))).equal
