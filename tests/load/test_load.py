"""``vstore load`` and ``vstore query``: what is read, what is refused, and what a kill leaves."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import vstore
from tests.embedding_server import EmbeddingServer, embedding_server
from vstore import embed
from vstore.cli.app import app
from vstore.load import Fields
from vstore.load.rows import Row, count_rows, read_rows

runner = CliRunner()
LEXICAL = ("--embed", "lexical:64")
TEXT = ("--text", "body", "--id", "id")
ROWS = [{"id": f"r{n}", "body": f"text number {n}", "year": 2000 + n, "tags": ["a", str(n)]} for n in range(10)]


def run(*arguments: object) -> tuple[int, str, str]:
    result = runner.invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200", "NO_COLOR": "1"})
    return result.exit_code, result.stdout, result.stderr


def write(path: Path, rows: list[Any]) -> Path:
    """Rows as JSON lines; a str stands as it is."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"chroma:{tmp_path / 'data'}"


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    with embedding_server() as running:
        yield running


def contents(url: str) -> dict[str, tuple[str | None, dict[str, Any] | None]]:
    with vstore.connect(url) as store:
        found = store.get_collection("docs")
        return {r.id: (r.document, r.metadata) for page in found.scan() for r in page.records}


def refused(path: Path) -> list[tuple[int, str]]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [(line["row"], line["reason"]) for line in lines]


def test_json_lines_keep_their_types(tmp_path: Path, url: str) -> None:
    path = write(tmp_path / "d.jsonl", [*ROWS[:9], {**ROWS[9], "rare": 1}])
    code, out, err = run("load", path, url, "docs", *TEXT, "--metadata", "year,tags,rare", *LEXICAL, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {"loaded": 10, "rejected": 0, "resumed": 0, "stopped": False, "rejected_file": ""}
    assert contents(url)["r3"] == ("text number 3", {"year": 2003, "tags": ["a", "3"]})
    with vstore.connect(url) as store:
        c = store.get_collection("docs", embedder=embed.lexical(64))
        assert (c.info.embedder, c.info.metric) == ("lexical:64?ngrams=1-3", "cosine")
        assert c.query(text="text number 7", k=1).ids == ["r7"]


def test_csv_has_texts_and_the_types_that_are_asked_for(tmp_path: Path, url: str) -> None:
    path = tmp_path / "d.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "body", "year", "price", "new", "seen", "note"])
        writer.writerow(["a", 'two\nlines, "quoted"', "2020", "1.5", "true", "2024-05-01T10:00:00+02:00", "x"])
        writer.writerow(["b", "雨", "", "", "", "", ""])
        writer.writerow(["c", "bad year", "soon", "1", "true", "", ""])
        writer.writerow(["d", "too few"])
    fields = "year:int,price:float,new:bool,seen:datetime,note"
    code, _, _ = run("load", path, url, "docs", *TEXT, "--metadata", fields, *LEXICAL, "--rejected", tmp_path / "x")
    assert code == 5
    seen = datetime(2024, 5, 1, 8, tzinfo=UTC)
    assert contents(url) == {
        "a": ('two\nlines, "quoted"', {"year": 2020, "price": 1.5, "new": True, "seen": seen, "note": "x"}),
        "b": ("雨", {"note": ""}),
    }
    assert [number for number, _ in refused(tmp_path / "x")] == [3, 4]
    assert "no int: 'soon'" in refused(tmp_path / "x")[0][1]


@pytest.mark.parametrize(
    ("metadata", "wanted"),
    [
        ((), {"year": "2020", "note": "x"}),
        (("--metadata", "*,year:int"), {"year": 2020, "note": "x"}),
        (("--metadata", "note"), {"note": "x"}),
        (("--metadata", ""), {}),
    ],
)
@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_all_metadata_is_kept_unless_some_is_named(
    tmp_path: Path, kind: str, metadata: tuple[str, ...], wanted: dict[str, Any]
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, row = tmp_path / f"d.{kind}", {"id": "a", "year": "2020", "body": "rain", "note": "x"}
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist([row]), path)
    else:
        path.write_text(f"{','.join(row)}\n{','.join(row.values())}\n" if kind == "csv" else json.dumps(row))
    fields = Fields.parse(id="id", text="body", **({"metadata": metadata[1]} if metadata else {}))
    [read] = read_rows(path, fields.columns, everything=fields.everything)
    assert fields.record(read).metadata == wanted


def test_the_command_keeps_all_metadata_and_refuses_a_field_that_no_row_has(tmp_path: Path, url: str) -> None:
    rows = [{"id": "a", "body": "rain", "year": 2020}, "no JSON", {"id": "b", "body": "snow", "title": "Snow"}]
    path = write(tmp_path / "d.jsonl", rows)
    for wrong, near in (("--metadata", "titel"), ("--metadata", "*,titel:str"), ("--text", "titel")):
        arguments = [*TEXT, wrong, near]
        code, _, err = run("load", path, url, "docs", *arguments, *LEXICAL)
        assert code == 2
        assert "no row of d.jsonl has the field 'titel'. Did you mean title?" in err
        assert sorted(tmp_path.iterdir()) == [path]
    assert run("load", path, url, "docs", *TEXT, *LEXICAL)[0] == 5
    assert contents(url) == {"a": ("rain", {"year": 2020}), "b": ("snow", {"title": "Snow"})}
    code, _, err = run("load", path, url, "docs", *TEXT, "--metadata", "title", *LEXICAL)
    assert (code, "of id, body and all others" in err) == (1, True), err


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "-7", -7),
        ("int", "2024_05", None),
        ("float", "1_0.5", None),
        ("bool", "1", None),
        ("datetime", "2024-05-01T10:00:00.123456000Z", datetime(2024, 5, 1, 10, 0, 0, 123456, tzinfo=UTC)),
        ("datetime", "2024-05-01T10:00:00.1234561Z", None),
        ("datetime", "soon", None),
    ],
)
def test_a_text_is_read_as_a_type_exactly_or_not_at_all(kind: str, text: str, value: object) -> None:
    fields = Fields.parse(id="id", text="body", metadata=f"v:{kind}")
    row = Row(1, {"id": "a", "body": "b", "v": text})
    if value is not None:
        assert fields.record(row).metadata == {"v": value}
        return
    with pytest.raises(vstore.InvalidInput, match=f"is no {kind}: '{text}'"):
        fields.record(row)


def test_parquet_is_read_in_parts(tmp_path: Path, url: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "d.parquet"
    n = 2500
    table = pa.table(
        {"key": range(n), "body": [f"text {i}" for i in range(n)], "other": [None] * n, "price": [0.5] * n}
    )
    pq.write_table(table, path, row_group_size=700)
    assert count_rows(path) == n
    assert [row.number for row in read_rows(path, ["key"], skip=1501)] == list(range(1502, n + 1))
    assert next(read_rows(path, ["key"], skip=1501)).fields == {"key": 1501}
    arguments = (path, url, "docs", "--text", "body", "--id", "key:str", "--metadata", "price", *LEXICAL)
    assert run("load", *arguments, "--batch-size", 999)[0] == 0
    found = contents(url)
    assert len(found) == n
    assert found["2499"] == ("text 2499", {"price": 0.5})


BAD: list[tuple[Any, str]] = [
    ("not json", "not JSON"),
    ('{"id": "x", "body": NaN}', "not JSON"),
    ("[1]", "a list"),
    ({"id": "n"}, "'body' is missing"),
    ({"body": "n"}, "'id' is missing"),
    ({"id": None, "body": "n"}, "'id' is missing"),
    ({"id": 7, "body": "n"}, "--id id:str"),
    ({"id": "t", "body": 7}, "--text body:str"),
    ({"id": "", "body": "n"}, "1 to 512 bytes"),
    ({"id": "e", "body": ""}, "no characters"),
    ({"id": "m", "body": "n", "year": {"deep": 1}}, "flat metadata"),
    ({"id": "\ud800", "body": "n"}, "1 to 512 bytes"),
    ({"id": "s", "body": "\ud800"}, "surrogate"),
    ({"id": "r1", "body": "again"}, "stands in row 2 already"),
    ({"id": "l", "body": "x" * 3_000_000}, "bytes; at most"),
]


@pytest.mark.parametrize("batch_size", [4, 256])
def test_a_bad_row_is_rejected_and_the_others_are_loaded(tmp_path: Path, url: str, batch_size: int) -> None:
    path = write(tmp_path / "d.jsonl", [*ROWS[:5], *(row for row, _ in BAD), "", *ROWS[5:]])
    letters = tmp_path / "letters.jsonl"
    arguments = (path, url, "docs", *TEXT, "--metadata", "year", *LEXICAL, "--rejected", letters)
    code, out, err = run("load", *arguments, "--batch-size", batch_size)
    assert code == 5
    assert "10 rows are loaded" in out
    assert f"{len(BAD)} rows were rejected" in err
    assert sorted(contents(url)) == sorted(row["id"] for row in ROWS)
    assert [number for number, _ in refused(letters)] == list(range(6, 6 + len(BAD)))
    for (_, reason), (_, said) in zip(refused(letters), BAD, strict=True):
        assert said in reason
    code, _, _ = run("load", *arguments)
    assert code == 5, "there is nothing left to do, and the dead letters are still there"
    assert len(refused(letters)) == len(BAD)


def test_too_many_bad_rows_end_it_and_it_goes_on(tmp_path: Path, url: str) -> None:
    path = write(tmp_path / "d.jsonl", ["bad", "bad", "bad", *ROWS])
    arguments = ("load", path, url, "docs", *TEXT, *LEXICAL, "--batch-size", 2)
    code, out, err = run(*arguments, "--max-errors", 1)
    assert (code, "0 rows are loaded" in out, "too many" in err) == (5, True, True)
    code, out, _ = run(*arguments, "--max-errors", 3)
    assert (code, "10 rows are loaded" in out) == (5, True)
    assert len(contents(url)) == 10


def test_what_changes_between_two_runs_is_told(tmp_path: Path, url: str) -> None:
    path = write(tmp_path / "d.jsonl", ROWS)
    first = ("load", path, url, "docs", *TEXT)
    assert run(*first, *LEXICAL)[0] == 0
    others = [
        (*first, "--embed", "lexical:32"),
        (*first, *LEXICAL, "--metadata", "year"),
        ("load", path, url, "docs", "--text", "body", "--id", "body", *LEXICAL),
    ]
    for arguments in others:
        code, _, err = run(*arguments)
        assert (code, "Mismatch" in err) == (1, True)
    with vstore.connect(url) as store:
        store.get_collection("docs").clear()
    assert "the collection is empty" in run(*first, *LEXICAL)[2]
    with vstore.connect(url) as store:
        store.delete_collection("docs")
    assert "which is gone" in run(*first, *LEXICAL)[2]
    assert run(*first, *LEXICAL, "--restart")[0] == 0
    assert len(contents(url)) == 10
    write(path, ROWS[:9])
    code, _, err = run(*first, *LEXICAL)
    assert (code, "--restart" in err) == (1, True)


@pytest.mark.parametrize(
    ("name", "content", "arguments", "said"),
    [
        ("d.txt", "x", TEXT, "no .jsonl"),
        ("d.csv", "a,b\n1,2\n", TEXT, "no column 'id'"),
        ("d.csv", "", TEXT, "no column 'id'"),
        ("d.parquet", "x" * 100, TEXT, "no Parquet file"),
        ("d.jsonl", "{}", ("--text", "body:colour", "--id", "id"), "no type of a field"),
        ("d.jsonl", "{}", (*TEXT, "--metadata", "a,a"), "stands twice"),
        ("d.jsonl", "{}", (*TEXT, "--metadata", "a,,b"), "is empty"),
        ("d.jsonl", "{}", (*TEXT, "--metadata", "*,*"), "stands twice"),
        ("d.jsonl", "{}", (*TEXT, "--metadata", "*:int"), "takes no type"),
        ("d.csv", "id,body,\n1,2,3\n", TEXT, "a column without a name"),
    ],
)
def test_what_cannot_be_read_is_told(
    tmp_path: Path, url: str, name: str, content: str, arguments: tuple[str, ...], said: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    code, _, err = run("load", path, url, "docs", *arguments, *LEXICAL)
    assert (code, said in err) == (2, True), err


def test_a_file_or_store_that_is_not_there_is_told(tmp_path: Path) -> None:
    code, _, err = run("load", tmp_path / "no.jsonl", f"chroma:{tmp_path}", "docs", *TEXT, *LEXICAL)
    assert (code, "no file" in err) == (2, True)
    path = write(tmp_path / "d.jsonl", ROWS)
    code, _, err = run("load", path, "memory:", "docs", *TEXT, *LEXICAL)
    assert (code, "forgets everything" in err, list(tmp_path.iterdir())) == (2, True, [path])


def test_a_second_process_finds_the_checkpoint_taken(tmp_path: Path, url: str) -> None:
    from vstore.load import LoadCheckpoint

    path = write(tmp_path / "d.jsonl", ROWS)
    run("load", path, url, "docs", *TEXT, *LEXICAL)
    checkpoint = LoadCheckpoint(next((tmp_path / "d.jsonl.vstore").glob("*[0-9a-f].sqlite")))
    try:
        code, _, err = run("load", path, url, "docs", *TEXT, *LEXICAL)
        assert (code, "another run is at work on this load" in err) == (1, True)
    finally:
        checkpoint.close()


def spec(server: EmbeddingServer, **options: object) -> str:
    given = {"dimension": 8, "base_url": server.url, "concurrency": 1, "batch_size": 64, "retries": 0, **options}
    return "openai:m?" + "&".join(f"{key}={value}" for key, value in given.items())


def test_one_bad_text_in_a_batch_does_not_stop_the_others(
    tmp_path: Path, url: str, server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    rows = [{**row, "body": f"BAD {row['body']}"} if row["id"] in ("r2", "r7") else row for row in ROWS]
    path = write(tmp_path / "d.jsonl", rows)
    code, _, _ = run("load", path, url, "docs", *TEXT, "--embed", spec(server), "--rejected", tmp_path / "x")
    assert code == 5
    assert sorted(contents(url)) == sorted({row["id"] for row in ROWS} - {"r2", "r7"})
    assert [number for number, _ in refused(tmp_path / "x")] == [3, 8]
    assert set(server.answered.values()) == {1}, "none is embedded twice"


def test_an_endpoint_that_fails_leaves_a_load_that_goes_on(
    tmp_path: Path, url: str, server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.embedding_server import Fault

    monkeypatch.setenv("OPENAI_API_KEY", "sk-geheim")
    path = write(tmp_path / "d.jsonl", ROWS)
    arguments = ("load", path, url, "docs", *TEXT, "--embed", spec(server), "--batch-size", 4)
    server.before_answer = lambda texts: server.faults.append(Fault(503)) if len(server.requests) == 2 else None
    code, _, err = run(*arguments)
    assert (code, "Not complete" in err, "8 rows are loaded" in err) == (4, True, True)
    assert "geheim" not in err
    code, out, _ = run(*arguments)
    assert (code, "after 8 rows" in out) == (0, True)
    assert server.answered == Counter(row["body"] for row in ROWS)


@pytest.mark.parametrize(
    ("wrong", "status", "said"),
    [("openai:m?dimension=16", 200, "8 dimensions instead of 16"), ("openai:n?dimension=8", 404, "knows no model")],
)
def test_an_embedder_that_cannot_be_used_makes_no_collection(
    tmp_path: Path,
    url: str,
    server: EmbeddingServer,
    monkeypatch: pytest.MonkeyPatch,
    wrong: str,
    status: int,
    said: str,
) -> None:
    from tests.embedding_server import Fault

    monkeypatch.setenv("OPENAI_API_KEY", "none")
    path = write(tmp_path / "d.jsonl", ROWS)
    if status != 200:
        server.faults.append(Fault(status, body={"error": {"message": "no such model"}}))
    code, _, err = run("load", path, url, "docs", *TEXT, "--embed", f"{wrong}&base_url={server.url}")
    assert (code, said in err, "When this is put right" in err) == (4, True, True), err
    with vstore.connect(url) as store:
        assert store.list_collections() == []
    assert run("load", path, url, "docs", *TEXT, "--embed", spec(server))[0] == 0
    assert len(contents(url)) == 10


def kill_and_resume(
    tmp_path: Path, store_url: str, server: EmbeddingServer, *, texts: int, kills: list[int], batch_size: int
) -> None:
    """Loads; each time so many texts are answered the process dies by SIGKILL, in the middle of a request."""
    rows = [{"id": f"r{n}", "body": f"text number {n}", "n": n} for n in range(texts)]
    path = write(tmp_path / "d.jsonl", rows)
    at = sorted(kills)
    running: list[subprocess.Popen[bytes]] = []
    lock = threading.Lock()

    def kill(batch: list[str]) -> None:
        with lock:
            if at and server.answered.total() >= at[0] and running:
                at.pop(0)
                running.pop().kill()
                raise ConnectionAbortedError("who asked is dead, so nothing is answered")

    server.before_answer = kill
    command = [sys.executable, "-c", "from vstore.cli import main; main()", "load", str(path), store_url, "docs"]
    command += [*TEXT, "--metadata", "n", "--embed", spec(server, timeout=600), "--batch-size", str(batch_size)]
    codes = []
    for _ in range(len(kills) + 1):
        process = subprocess.Popen(command, env={**os.environ, "OPENAI_API_KEY": "none"})
        running[:] = [process]
        codes.append(process.wait(900))
    assert codes == [-9] * len(kills) + [0]
    assert server.answered == Counter(row["body"] for row in rows), "each text was embedded once"
    found = contents(store_url)
    assert found == {row["id"]: (row["body"], {"n": row["n"]}) for row in rows}, "none is missing, none is doubled"


def test_killed_and_resumed_nothing_is_missing_doubled_or_embedded_twice(tmp_path: Path, url: str) -> None:
    with embedding_server() as server:
        kill_and_resume(tmp_path, url, server, texts=1000, kills=[150, 600], batch_size=200)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_load_is_4_and_says_how_to_go_on(
    tmp_path: Path, url: str, server: EmbeddingServer, number: signal.Signals
) -> None:
    path = write(tmp_path / "d.jsonl", ROWS)
    command = [sys.executable, "-c", "from vstore.cli import main; main()", "load", str(path), url, "docs", *TEXT]
    command += ["--embed", spec(server), "--batch-size", "4"]
    asked, ended = threading.Event(), threading.Event()

    def hang(batch: list[str]) -> None:
        if server.answered:
            asked.set()
            ended.wait(300)
            raise ConnectionAbortedError("who asked is gone")

    server.before_answer = hang
    with subprocess.Popen(
        command, env={**os.environ, "OPENAI_API_KEY": "none"}, stderr=subprocess.PIPE, text=True
    ) as process:
        assert asked.wait(300)
        process.send_signal(number)
        _, err = process.communicate(timeout=300)
    ended.set()
    assert (process.returncode, "4 rows are loaded. Run the same command again" in err) == (4, True), err


@pytest.mark.nightly
@pytest.mark.parametrize("store", ["chroma:{}", "pgvector:{}", "qdrant:{}", "milvus:{}.db"])
def test_ten_thousand_texts_killed_and_resumed(tmp_path: Path, store: str) -> None:
    with embedding_server() as server:
        kills = [500, 3_333, 3_400, 7_000, 9_900]
        kill_and_resume(tmp_path, store.format(tmp_path / "data"), server, texts=10_000, kills=kills, batch_size=256)


def test_query_shows_hits(tmp_path: Path, url: str) -> None:
    run("load", write(tmp_path / "d.jsonl", ROWS), url, "docs", *TEXT, "--metadata", "year", *LEXICAL)
    code, out, err = run("query", url, "docs", "number 7", "-k", 2)
    assert (code, err) == (0, "")
    assert "2 hits" in out
    assert "text number 7" in out
    code, out, _ = run("query", url, "docs", "number 7", "--where", '{"year": {"$lt": 2004}}', "--exact", "--json")
    hits = json.loads(out)
    assert code == 0
    assert {hit["id"] for hit in hits} == {"r0", "r1", "r2", "r3"}
    assert set(hits[0]) == {"id", "distance", "score", "document", "metadata"}
    assert hits[0]["distance"] == pytest.approx(1 - hits[0]["score"])


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--where", "{"), 2, "not JSON"),
        (("--where", "[]"), 2, "JSON object"),
        (("--where", '{"year": {"$what": 1}}'), 2, "$what"),
        (("--embed", "lexical:32"), 1, "Mismatch"),
        (("--embed", "nonsense"), 2, "names no embedder"),
        (("-k", "0"), 2, "-k"),
    ],
)
def test_query_tells_what_is_wrong(tmp_path: Path, url: str, arguments: tuple[str, ...], code: int, said: str) -> None:
    with vstore.connect(url) as store:
        store.create_collection("docs", embedder=embed.lexical(64)).add(["a"], documents=["x"])
    found, _, err = run("query", url, "docs", "text", *arguments)
    assert (found, said in err) == (code, True), err


def test_query_loads_no_model_on_the_word_of_a_database(url: str) -> None:
    with vstore.connect(url) as store:
        store.create_collection("docs", dimension=3)
        named = embed.function(lambda texts: [[1, 2, 3]] * len(texts), name="sentence-transformers:x/y", dimension=3)
        store.create_collection("model", embedder=named)
    assert "lexical:512" in run("query", url, "docs", "text")[2]
    code, _, err = run("query", url, "model", "text")
    assert (code, "--embed 'sentence-transformers:x/y'" in err) == (2, True)


@pytest.mark.parametrize("options", ["", "?dimension=8&base_url={}&api_key_env=ANOTHER"])
def test_query_sends_no_key_where_a_database_says(
    url: str, server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch, options: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setenv("ANOTHER", "geheim")
    made: list[str] = []
    monkeypatch.setattr("openai.OpenAI", lambda **settings: made.append(settings["api_key"]))
    with vstore.connect(url) as store:
        name = "openai:m" + options.format(server.url)
        named = embed.function(lambda texts: [[1.0] * 8] * len(texts), name=name, dimension=8)
        store.create_collection("docs", embedder=named)
    code, _, err = run("query", url, "docs", "text")
    assert (code, "Pass --embed" in err, "was made with 'openai:m" in err, made) == (2, True, True, [])


def test_two_schemas_of_one_database_are_two_targets(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", ROWS)
    one, two = (f"pgvector:{tmp_path / 'pg'}?schema={name}" for name in ("one", "two"))
    with vstore.connect(two) as store:
        store.create_collection("docs", embedder=embed.lexical(64)).add(["old"], documents=["older"])
    for target, there in ((one, 10), (two, 11)):
        code, out, _ = run("load", path, target, "docs", *TEXT, *LEXICAL, "--json")
        assert (code, json.loads(out)["resumed"]) == (0, 0)
        assert len(contents(target)) == there


def test_another_embedder_is_told_though_the_collection_has_none(tmp_path: Path, url: str) -> None:
    with vstore.connect(url) as store:
        store.create_collection("docs", dimension=64)
    path = write(tmp_path / "d.jsonl", ROWS)
    assert run("load", path, url, "docs", *TEXT, *LEXICAL)[0] == 0
    code, _, err = run("load", path, url, "docs", *TEXT, "--embed", "lexical:64?ngrams=2-3")
    assert (code, "the embedder is not as it was" in err) == (1, True)


@pytest.mark.parametrize("batch_size", [1, 256])
def test_an_id_of_a_refused_row_is_free(tmp_path: Path, url: str, batch_size: int) -> None:
    rows = [{"id": "a", "body": ""}, {"id": "a", "body": "good"}, {"id": "a", "body": "late"}, {"id": "b", "body": "b"}]
    path = write(tmp_path / "d.jsonl", rows)
    arguments = (path, url, "docs", *TEXT, *LEXICAL, "--rejected", tmp_path / "x", "--batch-size", batch_size)
    assert run("load", *arguments)[0] == 5
    assert contents(url) == {"a": ("good", {}), "b": ("b", {})}
    assert [(number, "in row 2 already" in reason) for number, reason in refused(tmp_path / "x")] == [
        (1, False),
        (3, True),
    ]


def test_what_is_mistyped_makes_nothing_and_can_be_put_right(tmp_path: Path, url: str) -> None:
    path = tmp_path / "d.csv"
    path.write_text("id,body\na,one\n")
    typed = (
        ("docs", "--id", "key", *LEXICAL),
        ("docs", "--id", "id", "--embed", "lexcal:64"),
        ("d", "--id", "id", *LEXICAL),
    )
    for wrong in typed:
        assert run("load", path, url, *wrong, "--text", "body")[0] == 2
        assert sorted(tmp_path.iterdir()) == [path]
    assert run("load", path, url, "docs", *TEXT, *LEXICAL)[0] == 0


def test_a_column_that_stands_twice_is_told(tmp_path: Path, url: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "d.csv").write_text("id,body,body,other,other\na,one,two,3,4\n")
    pq.write_table(pa.Table.from_arrays([pa.array(["a"])] * 3, names=["id", "body", "body"]), tmp_path / "d.parquet")
    for name in ("d.csv", "d.parquet"):
        code, _, err = run("load", tmp_path / name, url, "docs", *TEXT, *LEXICAL)
        assert (code, "several columns 'body'" in err) == (2, True)


def test_quotes_that_cannot_be_read_are_told_with_their_line(tmp_path: Path, url: str) -> None:
    path = tmp_path / "d.csv"
    rows = [*(f"r{n},text {n}" for n in range(7)), "short", 'bad,"abc"def', "z,last"]
    path.write_text("\n".join(["id,body", *rows, ""]))
    arguments = (path, url, "docs", *TEXT, *LEXICAL, "--batch-size", 4, "--rejected", tmp_path / "x")
    code, _, err = run("load", *arguments)
    assert (code, "at line 10" in err, "UTF-8" in err) == (2, True, False)
    assert len(contents(url)) == 7
    assert [number for number, _ in refused(tmp_path / "x")] == [8], "those of the batches that are done"


def test_moments_of_pandas_are_read_where_nothing_is_lost(tmp_path: Path, url: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name, moment in (("whole", 1_700_000_000_000_001_000), ("finer", 1_700_000_000_000_001_001)):
        column = pa.array([moment, None], pa.timestamp("ns", "UTC"))
        table = pa.table({"id": ["a", "b"], "body": ["one", "two"], "seen": column})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    arguments = (url, "docs", *TEXT, "--metadata", "seen", *LEXICAL)
    assert run("load", tmp_path / "whole.parquet", *arguments)[0] == 0
    seen = datetime(2023, 11, 14, 22, 13, 20, 1, tzinfo=UTC)
    assert contents(url) == {"a": ("one", {"seen": seen}), "b": ("two", {})}
    code, _, err = run("load", tmp_path / "finer.parquet", *arguments)
    assert (code, "would lose data" in err) == (2, True)


def test_a_parquet_file_that_is_damaged_is_told(tmp_path: Path, url: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "d.parquet"
    texts = [f"text {n}" for n in range(3000)]
    pq.write_table(pa.table({"id": texts, "body": texts}), path, row_group_size=1000)
    data = bytearray(path.read_bytes())
    for place in range(len(data) // 2, len(data) // 2 + 200):
        data[place] ^= 0xFF
    path.write_bytes(data)
    code, _, err = run("load", path, url, "docs", *TEXT, *LEXICAL)
    assert (code, f"{path} cannot be read" in err, "UTF-8" in err) == (2, True, False)


def test_only_their_owner_reads_rejected_rows(tmp_path: Path, url: str) -> None:
    path = write(tmp_path / "d.jsonl", [*ROWS, "bad"])
    before = path.read_bytes()
    code, _, err = run("load", path, url, "docs", *TEXT, *LEXICAL, "--rejected", tmp_path / "." / "d.jsonl")
    assert (code, "the file that is loaded" in err, path.read_bytes()) == (2, True, before)
    letters = tmp_path / "new" / "letters.jsonl"
    assert run("load", path, url, "docs", *TEXT, *LEXICAL, "--rejected", letters)[0] == 5
    checkpoint = next((tmp_path / "d.jsonl.vstore").glob("*[0-9a-f].sqlite"))
    assert [file.stat().st_mode & 0o077 for file in (letters, checkpoint)] == [0, 0]
    code, _, err = run("load", path, url, "docs", *TEXT, *LEXICAL, "--rejected", path / "x")
    assert (code, f"rejected records cannot be written to {path / 'x'}" in err, "--rejected" in err) == (
        1,
        True,
        True,
    )


@pytest.mark.parametrize("command", [("query", "docs", "text"), ("inspect",), ("inspect", "docs")])
def test_asking_makes_no_database(tmp_path: Path, command: tuple[str, ...]) -> None:
    name, *rest = command
    code, _, err = run(name, f"chroma:{tmp_path / 'typing error'}", *rest)
    assert (code, "there is no database" in err, list(tmp_path.iterdir())) == (1, True, [])


def test_a_hit_is_shown_as_it_stands_and_commands_no_terminal(url: str) -> None:
    with vstore.connect(url) as store:
        docs = store.create_collection("docs", embedder=embed.lexical(64))
        docs.add(["\x1b[31m"], documents=[":smile: [red]x[/red]\x1b[2J\x9b"], metadatas=[{"k": "\x07[b]"}])
    _, out, _ = run("query", url, "docs", "x")
    assert all(text in out for text in ("\\x1b[31m", ":smile: [red]x[/red]\\x1b[2J\\x9b", "k: \\x07[b]"))
    assert not set(out) & {"\x1b", "\x07", "\x9b"}
