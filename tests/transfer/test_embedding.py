"""Copies that embed the texts anew: what arrives, what is asked for, what a kill costs, what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.embedding_server import EmbeddingServer, embedding_server, vector
from tests.transfer.faulty import Lasting, changing, faulty_store, filled, source_of, target_in
from vstore import InvalidInput, LimitExceeded, Metric, Mismatch, Record, Records, Store, Unsupported, connect, embed
from vstore.cli.app import app
from vstore.conformance.fixtures import clause
from vstore.transfer import CollectionSource, CopyOptions, LossKind, Report, Status, copy, verify
from vstore.transfer.api import resumed
from vstore.transfer.dryrun import dry_run
from vstore.transfer.files import FileTarget, data_set_path

pytestmark = clause("MIG-31")

FROM, TO = 384, 512


class Model:
    """An embedder that keeps what it was asked for."""

    name = "model-512"
    dimension = TO
    chunk = 7

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def embed(self, texts: Sequence[str]) -> Any:
        if any("BAD" in text for text in texts):
            raise LimitExceeded("the text is too long")
        self.asked.append(list(texts))
        return np.array([vector(text, self.dimension) for text in texts], dtype=np.float32).reshape(-1, self.dimension)

    @property
    def texts(self) -> list[str]:
        return [text for part in self.asked for text in part]


def texts(n: int, *, without: Sequence[int] = (), distinct: int = 10**9) -> Records:
    """Records with texts, of which some are repeated and some are missing."""
    rng = np.random.default_rng(n)
    documents: list[str | None] = [f"text number {place % distinct}" for place in range(n)]
    for number, place in enumerate(without):
        documents[place] = (None, "", " \n")[number % 3]
    vectors = rng.standard_normal((n, FROM), dtype=np.float32)
    return Records([f"r{place:05}" for place in range(n)], vectors, documents, [{"n": place} for place in range(n)])


def contents(store: Store, name: str = "docs") -> Records:
    return Records.concat([page.records for page in store.get_collection(name).scan()])


@pytest.fixture
def store() -> Store:
    return connect("memory:")


def asked(report: Report) -> tuple[int, int, int, int]:
    assert report.embedding is not None
    found = report.embedding
    return found.texts, found.embedded, found.characters, found.calls


@pytest.mark.parametrize("chunk_rows", [16, None])
def test_the_target_is_what_the_embedder_makes_of_the_texts(store: Store, chunk_rows: int | None) -> None:
    records = texts(50, distinct=40)
    source, model = source_of(records, metric="l2", embedder=embed.lexical(FROM)), Model()
    options: dict[str, Any] = {"embed": model, "chunk_rows": chunk_rows}
    planned = dry_run(source, target_in(store), **options)
    assert planned.plan is not None
    assert (planned.plan["dimension"], planned.plan["metric"], planned.plan["problems"]) == (TO, "cosine", [])
    assert [(loss.kind, loss.needs_leave) for loss in planned.losses] == [(LossKind.METRIC, False)]
    assert (model.asked, store.list_collections()) == ([], []), "a dry run asks for nothing"
    report = copy(source, target_in(store), **options)
    assert (report.status, report.copied, report.losses) == (Status.VERIFIED, 50, planned.losses)
    made = store.get_collection("docs")
    assert (made.info.dimension, made.info.metric, made.info.embedder) == (TO, Metric.COSINE, "model-512")
    found = contents(store).ordered(records.ids)
    assert (found.documents, found.metadatas) == (records.documents, records.metadatas)
    wanted = np.array([vector(str(text), TO) for text in records.documents or ()], dtype=np.float32)
    assert found.vectors is not None
    assert np.array_equal(found.vectors, wanted)
    assert Counter(model.texts) == Counter(set(filter(None, records.documents or ()))), "each text once"
    assert report.embedding == planned.embedding
    assert report.chunks == planned.chunks
    assert asked(report) == (50, 40, sum(map(len, set(model.texts))), len(model.asked))
    assert source.count() == 50


def test_the_metric_is_the_embedders_or_the_one_that_is_asked_for(store: Store) -> None:
    class Dot(Model):
        metric = "dot"

    source = source_of(texts(5))
    assert copy(source, target_in(store, "one"), embed=Dot()).status is Status.VERIFIED
    assert copy(source, target_in(store, "two"), embed=Dot(), metric="l2").status is Status.VERIFIED
    assert [store.get_collection(name).info.metric for name in ("one", "two")] == [Metric.DOT, Metric.L2]


def test_a_cache_that_is_given_is_used_and_the_plan_counts_what_is_in_it(store: Store, tmp_path: Path) -> None:
    source, model = source_of(texts(30)), Model()
    given = embed.cached(model, tmp_path / "mine.sqlite", chunk=4)
    given.embed([f"text number {n}" for n in range(10)])
    model.asked.clear()
    planned = dry_run(source, target_in(store), embed=given, chunk_rows=9)
    report = copy(source, target_in(store), embed=given, chunk_rows=9)
    assert report.embedding == planned.embedding
    assert (asked(report)[:2], len(model.asked)) == ((30, 20), asked(report)[3])
    assert report.embedding is not None
    assert report.embedding.cached == 10
    assert given.embed(["one more"]).shape == (1, TO), "it stays open"
    given.close()
    named = dry_run(source, target_in(store, "other"), embed=model, embed_cache=tmp_path / "mine.sqlite")
    assert asked(named)[:2] == (30, 0)
    assert not list(tmp_path.glob("vectors*"))


def test_a_resume_asks_for_no_text_again_and_takes_no_other_embedder(tmp_path: Path) -> None:
    source, model = source_of(texts(40)), Model()
    target = Lasting(faulty_store(), "docs")
    options: dict[str, Any] = {"state": tmp_path, "chunk_rows": 10}

    class Other(Model):
        name = "other"

    stop = RuntimeError("killed")

    def fails(told: Any) -> None:
        if told.phase == "copy" and told.rows >= 20:
            raise stop

    with pytest.raises(RuntimeError):
        copy(source, target, embed=model, on_progress=fails, **options)
    before = len(model.texts)
    assert 20 <= before < 40
    with pytest.raises(Mismatch, match=r"other options: embed='model-512 512'"):
        copy(source, target, embed=Other(), **options)
    planned = resumed(source, target, CopyOptions(embed=model, **options))
    report = copy(source, target, embed=model, **options)
    assert (report.status, report.resumed) == (Status.VERIFIED, True)
    assert planned is not None
    assert report.embedding == planned.embedding
    assert Counter(model.texts) == Counter(texts(40).documents)
    assert report.embedding is not None
    assert report.embedding.embedded == 40 - before
    assert copy(source, target, embed=model, **options).status is Status.VERIFIED
    assert len(model.texts) == 40, "it is compared from the cache"


@pytest.mark.parametrize("dry", [True, False])
def test_a_record_without_a_text_is_refused_before_anything_is_written(store: Store, dry: bool) -> None:
    source, model = source_of(texts(30, without=[3, 7, 29])), Model()
    said = "3 records have no text to embed, for example 'r00003', 'r00007', 'r00029'"
    if dry:
        planned = dry_run(source, target_in(store), embed=model)
        plan = planned.plan
        assert plan is not None
        assert planned.exit_code == 2, "as that of the copy"
        assert [said in problem for problem in plan["problems"]] == [True]
    else:
        with pytest.raises(InvalidInput, match=said) as caught:
            copy(source, target_in(store), embed=model)
        assert "--without-text skip" in caught.value.hint
    assert (store.list_collections(), model.asked) == ([], [])


@pytest.mark.parametrize("mode", ["full", "sample", "none"])
def test_records_without_a_text_are_skipped(tmp_path: Path, mode: str) -> None:
    records, model, store = texts(30, without=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 20]), Model(), faulty_store()
    options: dict[str, Any] = {"embed": model, "without_text": "skip", "state": tmp_path, "verify": mode}
    planned = dry_run(source_of(records), Lasting(store, "docs"), **options)
    report = copy(source_of(records), Lasting(store, "docs"), chunk_rows=10, **options)
    assert report.status is (Status.COPIED if mode == "none" else Status.VERIFIED)
    assert (report.copied, planned.planned, store.get_collection("docs").count()) == (19, 19, 19)
    [loss] = [loss for loss in report.losses if loss.kind is LossKind.ROWS]
    assert loss.text.startswith("11 records without a text stay behind, for example 'r00000'")
    assert loss in planned.losses
    assert report.embedding is not None
    assert report.embedding.without_text == 11
    again = copy(source_of(records), Lasting(store, "docs"), chunk_rows=10, **options)
    assert again.status is report.status


def test_records_without_a_text_keep_their_vectors_where_the_dimension_is_the_same(store: Store) -> None:
    class Same(Model):
        dimension = FROM

    records = texts(30, without=[3, 29])
    report = copy(source_of(records), target_in(store), embed=Same(), without_text="keep", chunk_rows=8)
    assert report.status is Status.VERIFIED
    assert "2 records without a text keep the vectors of the source" in str([loss.text for loss in report.losses])
    found = contents(store).ordered(records.ids)
    assert found.vectors is not None
    assert records.vectors is not None
    kept = [bool((found.vectors[place] == records.vectors[place]).all()) for place in range(30)]
    assert [place for place, same in enumerate(kept) if same] == [3, 29]
    for run in (copy, dry_run):
        with pytest.raises(InvalidInput, match=r"384 dimensions, those of 'model-512' 512"):
            run(source_of(records), target_in(store, "two"), embed=Model(), without_text="keep")
    assert store.list_collections() == ["docs"]


def test_a_text_that_the_embedder_refuses_is_a_rejected_record(store: Store, tmp_path: Path) -> None:
    records, model = texts(30), Model()
    assert records.documents is not None
    records.documents[4] = "BAD"
    file = tmp_path / "rejected"
    report = copy(source_of(records), target_in(store), embed=model, chunk_rows=10, max_errors=1, rejected_file=file)
    assert (report.status, report.copied, report.rejected) == (Status.REJECTED, 29, 1)
    assert json.loads(file.read_text())["id"] == "r00004"
    assert report.verification is not None
    assert (report.verification.excluded, report.verification.differences) == (1, 0)
    assert Counter(model.texts) == Counter(set(records.documents) - {"BAD"})
    ended = copy(source_of(records), target_in(store, "two"), embed=model, chunk_rows=10)
    assert (ended.status, "r00004" in ended.error) == (Status.REJECTED, True)


@pytest.mark.parametrize("mode", ["full", "sample"])
def test_a_vector_that_is_not_what_the_embedder_made_is_found(mode: str) -> None:
    def bend(record: Record) -> list[Record]:
        assert record.vector is not None
        return [replace(record, vector=record.vector * np.float32(1.0001))]

    store = faulty_store(on_upsert=changing("r00007", bend))
    report = copy(source_of(texts(30)), target_in(store), embed=Model(), metric="dot", verify=mode)
    assert report.status is Status.DIFFERENT
    assert report.verification is not None
    assert (report.verification.vectors, report.verification.examples) == (1, ["r00007"])


@clause("MIG-32")
def test_a_transform_changes_the_dimension(store: Store) -> None:
    def halve(record: Record) -> Record | None:
        assert record.vector is not None
        return None if record.id == "r00000" else replace(record, vector=record.vector[:100])

    source = source_of(texts(30), embedder=embed.lexical(FROM))
    planned = dry_run(source, target_in(store), transform=halve)
    report = copy(source, target_in(store), transform=halve, chunk_rows=8)
    assert (report.status, report.copied) == (Status.VERIFIED, 29)
    assert planned.plan is not None
    assert (planned.plan["dimension"], planned.plan["problems"]) == (100, [])
    assert report.notes == planned.notes == ["the transform gives vectors of 100 dimensions, and the source has 384"]
    assert [loss.kind for loss in report.losses] == [loss.kind for loss in planned.losses] == [LossKind.EMBEDDER]
    info = store.get_collection("docs").info
    assert (info.dimension, info.embedder, info.metric) == (100, None, source.info.metric)


@clause("MIG-32")
def test_a_transform_that_gives_several_dimensions_ends_the_copy(store: Store) -> None:
    def odd(record: Record) -> Record:
        assert record.vector is not None
        return replace(record, vector=record.vector[: 50 if record.id == "r00007" else 100])

    report = copy(source_of(texts(30)), target_in(store), transform=odd)
    assert report.exit_code == 1
    assert "vectors of 100 dimensions, and of 50 for record 'r00007'" in report.error


def test_what_a_transform_makes_is_embedded(store: Store) -> None:
    def halves(record: Record) -> Record | None:
        if record.metadata == {"n": 3}:
            return None
        return Record(f"new/{record.id}", None, f"title {record.id}", record.metadata)  # without a vector

    model = Model()
    planned = dry_run(source_of(texts(30, without=[5])), target_in(store), transform=halves, embed=model)
    report = copy(source_of(texts(30, without=[5])), target_in(store), transform=halves, embed=model)
    assert (report.status, report.copied, planned.planned) == (Status.VERIFIED, 29, 29)
    assert report.embedding == planned.embedding
    assert "title r00005" in model.texts

    def empty(record: Record) -> Record:
        return replace(record, document=None if record.id == "r00011" else record.document)

    with pytest.raises(InvalidInput, match="1 records have no text to embed, for example 'r00011'"):
        copy(source_of(texts(30)), target_in(store, "two"), transform=empty, embed=model)
    assert store.list_collections() == ["docs"]


def test_an_existing_target_of_the_embedder_takes_what_is_merged(store: Store) -> None:
    model = Model()
    made = store.create_collection("docs", dimension=TO, embedder=model, index=source_of(texts(1)).info.index)
    made.upsert(["old"], np.ones((1, TO)))
    report = copy(source_of(texts(10)), target_in(store), embed=model, if_exists="merge")
    assert (report.status, made.count()) == (Status.VERIFIED, 11)
    other = store.create_collection("other", dimension=TO - 1)
    other.upsert(["old"], np.ones((1, TO - 1)))
    with pytest.raises(Mismatch, match="the target has dimension 511, the embedder 512"):
        copy(source_of(texts(10)), target_in(store, "other"), embed=model, if_exists="merge")
    again = copy(CollectionSource(store, made), target_in(store, "new"), embed=model, without_text="skip")
    assert (again.status, again.copied) == (Status.VERIFIED, 10)


def test_a_data_set_of_files_is_embedded_and_written(tmp_path: Path, store: Store) -> None:
    path, model = data_set_path(f"jsonl:{tmp_path / 'set'}"), Model()
    target = FileTarget(path)
    assert copy(source_of(texts(20)), target, embed=model, chunk_rows=8).status is Status.VERIFIED
    written = target.existing()
    assert written is not None
    assert (written.info.dimension, written.info.embedder) == (TO, "model-512")
    assert copy(written, target_in(store)).status is Status.VERIFIED
    assert verify(written, CollectionSource(store, store.get_collection("docs"))).equal


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"metric": "l2"}, InvalidInput, "metric is for a copy that embeds"),
        ({"without_text": "skip"}, InvalidInput, "without_text is for a copy that embeds"),
        ({"embed_cache": Path("x")}, InvalidInput, "embed_cache is for a copy that embeds"),
        ({"embed": "lexical:512", "without_text": "drop"}, InvalidInput, "'refuse', 'skip' or 'keep'"),
        ({"embed": "nonsense"}, InvalidInput, "names no embedder"),
        ({"embed": 3}, InvalidInput, "needs name, dimension and embed"),
        ({"embed": "lexical:512", "engine": "ray"}, Unsupported, "does not embed"),
    ],
)
def test_an_option_that_does_not_fit_is_refused(store: Store, options: Any, kind: Any, said: str) -> None:
    for run in (copy, dry_run):
        with pytest.raises(kind, match=said):
            run(source_of(texts(3)), target_in(store), **options)
    assert store.list_collections() == []


def _copied(folder: Path, server: EmbeddingServer, target: str, n: int, kills: Sequence[int]) -> None:
    """Copies with the command; each time so many texts are answered the process dies in the middle of a request."""
    records = texts(n, distinct=n - n // 10)
    source = f"chroma:{folder / 'from'}"
    with connect(source) as store:
        filled(store, records, index=None)
    at, lock, running = sorted(kills), threading.Lock(), list[subprocess.Popen[bytes]]()

    def kill(_: list[str]) -> None:
        with lock:
            if at and running and server.answered.total() >= at[0]:
                at.pop(0)
                running.pop().kill()
                raise ConnectionAbortedError("who asked is dead, so nothing is answered")

    server.before_answer = kill
    spec = f"openai:m?dimensions={TO}&base_url={server.url}&concurrency=1&batch_size=32&retries=0&timeout=600"
    command = ["copy", source, target, "--collection", "docs", "--embed", spec, "--chunk-rows", str(n // 5)]
    command += ["--allow", "index-change", "--json"]
    environment = {"OPENAI_API_KEY": "none", "XDG_STATE_HOME": str(folder / "state")}

    def killed() -> int:
        program = [sys.executable, "-c", "from vstore.cli import main; main()", *command]
        with subprocess.Popen(program, env={**os.environ, **environment}, stdout=subprocess.DEVNULL) as process:
            running[:] = [process]
            return process.wait(1800)

    def run(*more: str) -> dict[str, Any]:
        result = CliRunner().invoke(app, [*command, *more], env=environment)
        assert result.exit_code == 0, result.stderr
        report: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
        return report

    planned = run("--dry-run")
    assert server.requests == []
    assert not (folder / "state").exists(), "a dry run makes no cache"
    assert [killed() for _ in kills] == [-9] * len(kills)
    last = run()
    wanted = Counter({str(text) for text in records.documents or ()})
    assert server.answered == wanted, "each text was embedded once"
    figures = planned["embedding"]
    assert (figures["texts"], figures["embedded"]) == (n, len(wanted))
    assert figures["characters"] == sum(map(len, wanted))
    # a request that its process did not outlive is made again, and the parts of a chunk begin anew behind the cache
    assert figures["calls"] <= len(server.requests) <= figures["calls"] + 2 * len(kills)
    assert (last["status"], last["resumed"], last["copied"]) == ("verified", True, n)
    with connect(target) as store:
        info, found = store.get_collection("docs").info, contents(store).ordered(records.ids)
    assert (info.dimension, info.embedder) == (TO, f"openai:m?dimensions={TO}")
    assert (found.ids, found.documents, found.metadatas) == (records.ids, records.documents, records.metadatas)
    answered = np.array([vector(str(text), TO) for text in records.documents or ()], dtype=np.float32)
    assert found.vectors is not None
    assert np.allclose(found.vectors, answered, rtol=1e-5)
    figures = run("--dry-run", "--if-exists", "replace")["embedding"]
    assert (figures["embedded"], figures["cached"], figures["calls"]) == (0, n, 0)


def test_the_command_killed_and_resumed_embeds_no_text_twice(tmp_path: Path) -> None:
    with embedding_server() as server:
        _copied(tmp_path, server, f"qdrant:{tmp_path / 'to'}", 400, [150])


def test_the_plan_counts_the_requests_of_an_endpoint(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    records = texts(60, distinct=50)
    assert records.documents is not None
    records.documents[13] = "long " * 20  # alone in its request
    with embedding_server() as server:
        spec = f"openai:m?dimension=8&base_url={server.url}&concurrency=3&batch_size=4&max_batch_bytes=60"
        options: dict[str, Any] = {"embed": f"{spec}&document_prefix=to: ", "chunk_rows": 25}
        planned = dry_run(source_of(records), target_in(store), **options)
        assert server.requests == []
        report = copy(source_of(records), target_in(store), **options)
        assert report.status is Status.VERIFIED
        assert report.embedding == planned.embedding
        assert asked(report)[3] == len(server.requests)


@pytest.mark.nightly
@pytest.mark.parametrize("url", ["pgvector:{}", "qdrant:{}", "milvus:{}.db", "chroma:{}"])
def test_ten_thousand_texts_killed_and_resumed(tmp_path: Path, url: str) -> None:
    with embedding_server() as server:
        _copied(tmp_path, server, url.format(tmp_path / "to"), 10_000, (500, 3_333, 8_900))
