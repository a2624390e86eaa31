"""What stands in place of a path: URLs become no folders, links are not followed, secrets are not repeated."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import vstore
from vstore import InvalidInput
from vstore.cli.app import app
from vstore.data import load_digits
from vstore.embed import cached, from_spec
from vstore.transfer import CollectionSource, CollectionTarget, copy
from vstore.transfer.files import FileLocation, FileTarget, data_set_path, open_data_set

SECRET = "s3cr3t"
URLS = [
    f"postgresql+psycopg3://u:{SECRET}@h/db",
    f"Postgresql://u:{SECRET}@h/db",
    f"postgresql+psycopg://u:{SECRET}@h:x/db",
    f"parquet:mysql://u:{SECRET}@h/db",
    f"parquet://u:{SECRET}@h/db",
    f" redis://:{SECRET}@h/0",
    f"s3://key:{SECRET}@bucket/x",
    f"postgresql:me:{SECRET}@host/db",
    f"2024://u:{SECRET}@h",
]
DIGITS = load_digits().records()[:20]
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with vstore.connect("memory:") as store:
        made = store.create_collection("docs", dimension=64, metric="l2", index=vstore.HNSW())
        made.add(DIGITS.ids, DIGITS.vectors, DIGITS.documents, DIGITS.metadatas)
        copy(CollectionSource(store, made), FileTarget(data_set_path(str(tmp_path / "dump")))).check()
    (tmp_path / "rows.jsonl").write_text('{"id": "a", "text": "b"}\n')

    def call(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200", "NO_COLOR": "1"})
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    return call


def commands(url: str) -> list[list[str]]:
    load = ["load", "../rows.jsonl", "chroma:db", "docs", "--text", "text", "--id", "id", "--embed", "lexical:16"]
    made = ["copy", "../dump", "./new", "--collection", "docs"]
    return [
        ["copy", "../dump", url, "--collection", "docs"],
        ["copy", "../dump", url, "--all", "--dry-run"],
        ["copy", url, "./new", "--collection", "docs"],
        [*made, "--state", url],
        [*made, "--report", url],
        [*made, "--rejected", url],
        [*made, "--map", url],
        [*made, "--mapping", url],
        ["verify", "../dump", url, "--collection", "docs"],
        ["verify", url, "../dump", "--collection", "docs"],
        ["export", url, "./new", "--collection", "docs"],
        ["export", "../dump", url, "--collection", "docs"],
        ["export", "chroma:nothing", url, "--collection", "docs", "--encoding", "parquet"],
        ["import", url, "chroma:db"],
        ["import", "../dump", url],
        ["inspect", url],
        ["inspect", url, "docs", "--json"],
        ["query", url, "docs", "text"],
        [*load[:2], url, *load[3:]],
        ["load", url, *load[2:]],
        [*load, "--state", url],
        [*load, "--rejected", url],
        ["demo", "--directory", url],
    ]


@pytest.mark.parametrize("url", URLS)
def test_a_url_is_no_path_and_is_not_repeated(run: Run, url: str) -> None:
    for arguments in commands(url):
        code, said = run(*arguments)
        assert code in (1, 2), (arguments, said)
        assert SECRET not in said, arguments
        assert "Traceback" not in said
    left = [path for path in Path().rglob("*") if "db" not in path.parts[:1]]
    assert left == []


@pytest.mark.parametrize("url", [f"mysql://u:{SECRET}@h/db", f"parquet:mysql://u:{SECRET}@h/db"])
def test_a_url_is_no_path_in_python(run: Run, url: str, tmp_path: Path) -> None:
    calls: list[Callable[[], object]] = [
        lambda: data_set_path(url),
        lambda: open_data_set(url),
        lambda: FileLocation(url).names(),
        lambda: FileLocation(url).target("docs"),
        lambda: cached(from_spec("lexical:16"), url),
    ]
    with vstore.connect("memory:") as store:
        source = open_data_set(str(tmp_path / "dump"))
        target = CollectionTarget(store, "docs", "memory:x")
        calls += [
            lambda: copy(source, target, state=Path(url)),
            lambda: copy(source, target, rejected_file=Path(url)),
        ]
        for call in calls:
            with pytest.raises(InvalidInput) as caught:
                call()
            assert SECRET not in str(caught.value)
        assert store.list_collections() == []
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("name", ["out.csv", "out.json", "out.npz", "out.tar", "out.CSV", "dump.jsonl.gz"])
def test_what_is_no_format_is_refused(run: Run, name: str) -> None:
    code, said = run("export", "../dump", name, "--collection", "docs")
    assert (code, "no format that is written" in said) == (2, True), said
    code, said = run("copy", "../dump", name, "--collection", "docs")
    assert (code, "parquet:" in said) == (2, True), said
    assert list(Path().iterdir()) == []
    code, said = run("copy", "../dump", f"parquet:{name}", "--collection", "docs")
    assert code == 0, said
    assert (Path(name) / "manifest.json").is_file()


@pytest.mark.parametrize("name", ["dump.v2", "dump-1.0", "dump.", "x.y.2024"])
def test_a_point_in_the_name_of_a_directory_is_nothing(run: Run, name: str) -> None:
    assert run("copy", "../dump", name, "--collection", "docs")[0] == 0


def everything_below(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    found = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        data = path.read_bytes() if stat.S_ISREG(state.st_mode) else b""
        found[str(path)] = (state.st_mode, state.st_mtime_ns, data)
    return found


def test_reading_makes_nothing_in_the_source(run: Run, tmp_path: Path) -> None:
    before = everything_below(tmp_path / "dump"), (tmp_path / "dump").stat().st_mtime_ns
    for arguments in (
        ("import", "../dump", "chroma:db"),
        ("verify", "../dump", "chroma:db", "--collection", "docs"),
        ("copy", "../dump", "chroma:other", "--all", "--dry-run"),
        ("import", "../dump", "chroma:another", "--dry-run"),
    ):
        code, said = run(*arguments)
        assert code == 0, said
    assert (everything_below(tmp_path / "dump"), (tmp_path / "dump").stat().st_mtime_ns) == before


PLANTED = [
    ("new/manifest.json", ["copy", "../dump", "./new", "--collection", "docs"]),
    ("new/.manifest.json.tmp", ["copy", "../dump", "./new", "--collection", "docs"]),
    ("new/.part-000000.parquet.tmp", ["copy", "../dump", "./new", "--collection", "docs"]),
    ("new/part-000000.parquet", ["copy", "../dump", "./new", "--collection", "docs"]),
    ("x.jsonl.manifest.json", ["copy", "../dump", "x.jsonl", "--collection", "docs"]),
    (".x.jsonl.tmp", ["copy", "../dump", "x.jsonl", "--collection", "docs"]),
    ("x.jsonl.parts/manifest.json", ["copy", "../dump", "x.jsonl", "--collection", "docs"]),
    ("report.json", ["copy", "../dump", "./new", "--collection", "docs", "--report", "report.json"]),
    ("letters", ["copy", "../dump", "chroma:db", "--collection", "docs", "--rejected", "letters"]),
]


@pytest.mark.parametrize(("planted", "arguments"), PLANTED)
def test_a_planted_link_is_not_written_through(run: Run, planted: str, arguments: list[str], tmp_path: Path) -> None:
    victim = tmp_path / "authorized_keys"
    victim.write_text("ssh-ed25519 AAAA\n")
    Path(planted).parent.mkdir(parents=True, exist_ok=True)
    Path(planted).symlink_to(victim)
    code, said = run(*arguments)
    assert "Traceback" not in said
    assert victim.read_text() == "ssh-ed25519 AAAA\n"
    if code == 0:
        assert not Path(planted).is_symlink() or planted == "letters"


@pytest.mark.parametrize("end", ["", "-journal", "-wal"])
def test_a_checkpoint_follows_no_planted_link(run: Run, end: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    arguments = ["copy", "../dump", "chroma:db", "--collection", "docs", "--state", "state"]
    assert run(*arguments)[0] == 0
    [name] = [path.name for path in Path("state").iterdir()]
    assert stat.S_IMODE(Path("state").stat().st_mode) == 0o700
    assert stat.S_IMODE((Path("state") / name).stat().st_mode) == 0o600
    (Path("state") / name).unlink()
    (Path("state") / f"{name}{end}").symlink_to(victim)
    code, said = run(*arguments, "--mode", "replace")
    assert "Traceback" not in said
    assert not victim.exists()
    assert code in (0, 1, 2), said


def test_what_a_load_keeps_is_its_owner_s(run: Run, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"id": "a", "text": "b"}\n{"id": 1}\n')
    load = ["load", str(rows), "chroma:db", "docs", "--text", "text", "--id", "id", "--embed", "lexical:16"]
    assert run(*load)[0] == 5
    folder = tmp_path / "rows.jsonl.vstore"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert any(path.suffix == ".jsonl" for path in folder.iterdir())
    victim = tmp_path / "victim"
    for path in list(folder.iterdir()):
        path.unlink()
        path.symlink_to(victim)
    code, said = run(*load, "--restart")
    assert (code != 0, victim.exists()) == (True, False), said


def test_a_planted_folder_is_not_loaded_into(run: Run, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "rows.jsonl.vstore").symlink_to(tmp_path / "home")
    load = ["load", "../rows.jsonl", "chroma:db", "docs", "--text", "text", "--id", "id", "--embed", "lexical:16"]
    code, said = run(*load)
    assert (code, "link" in said) == (2, True), said
    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.parametrize("name", ["manifest.json", "part-000000.parquet"])
def test_links_that_lead_out_of_a_data_set_are_refused(run: Run, name: str, tmp_path: Path) -> None:
    (tmp_path / "dump" / name).rename(tmp_path / "elsewhere")
    (tmp_path / "dump" / name).symlink_to("../elsewhere")
    code, said = run("import", "../dump", "chroma:db")
    assert (code, "leads out of" in said) == (1, True), said
    (tmp_path / "dump" / name).unlink()
    (tmp_path / "elsewhere").rename(tmp_path / "dump" / ".moved")
    (tmp_path / "dump" / name).symlink_to(".moved")
    assert run("import", "../dump", "chroma:db")[0] == 0


def test_links_that_lead_out_of_a_folder_of_others_are_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "private.jsonl").write_text('{"id": "a", "vector": [1.0]}\n')
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "x.jsonl").symlink_to(tmp_path / "private.jsonl")
    code, said = run("import", "../theirs", "chroma:db", "--metric", "l2")
    assert (code, "leads out of" in said) == (1, True), said
    Path("named.jsonl").symlink_to(tmp_path / "private.jsonl")  # what is named itself may be a link
    assert run("import", "named.jsonl", "chroma:db", "--metric", "l2")[0] == 0


MAP = "import helper\n\ndef same(record):\n    return record\n"


@pytest.mark.parametrize("name", ["m:same", "m.py:same", "./m.py:same", "sub/m.py:same", "package.m:same"])
def test_a_function_is_loaded_by_its_path(run: Run, name: str, tmp_path: Path) -> None:
    for folder in (Path(), Path("sub"), Path("package")):
        folder.mkdir(exist_ok=True)
        (folder / "m.py").write_text(MAP if folder == Path() else MAP.replace("import helper\n", ""))
        (folder / "helper.py").touch()
        (folder / "psycopg.py").write_text("raise SystemExit('mine')\n")
        (folder / "json.py").write_text("raise SystemExit('mine')\n")
    before = list(sys.path)
    code, said = run("copy", "../dump", "parquet:out", "--all", "--map", name)
    assert code == 0, said
    assert sys.path == before


def test_what_lies_in_the_working_directory_takes_no_client_s_place(tmp_path: Path) -> None:
    for name in ("psycopg", "chromadb", "pyarrow", "numpy", "typer"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    (tmp_path / "m.py").write_text("def same(record):\n    return record\n")
    (tmp_path / "x.jsonl").write_text('{"id": "a", "vector": [1.0]}\n')
    command = [str(Path(sys.executable).with_name("vstore")), "copy", "chroma:nowhere", "parquet:out", "--all"]
    done = subprocess.run([*command, "--map", "m:same"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "name", ["../m:f", "..:f", ".m:f", "m", ":f", "m:", "nothing:f", "./nothing.py:f", "m:f.g", "broken:f"]
)
def test_a_function_that_cannot_be_loaded_is_told(run: Run, name: str) -> None:
    Path("m.py").write_text("x = 1\n")
    Path("broken.py").write_text("def f(:\n")
    code, said = run("copy", "../dump", "parquet:out", "--all", "--map", name)
    assert (code, "InvalidInput" in said) == (2, True), said


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": ' * 100_000, "1" * 5000, "NaN", "[]"])
def test_json_that_is_no_filter_or_mapping_is_told(run: Run, text: str) -> None:
    Path("mapping.json").write_text(text)
    for option, value in (("--where", text), ("--mapping", "mapping.json")):
        code, said = run("copy", "../dump", "parquet:out", "--all", option, value)
        assert (code, "InvalidInput" in said) == (2, True), said


def test_names_that_are_no_text_are_told(run: Run, tmp_path: Path) -> None:
    odd = os.fsdecode(b"d\xff\x1b")
    code, said = run("copy", "../dump", f"chroma:{odd}", "--collection", "docs")
    assert (code, "Traceback" in said) == (2, False), said
    options = ("--collection", "docs", "--report", f"{odd}.json", "--state", odd, "--rejected", f"{odd}.letters")
    assert run("copy", "../dump", "./new", *options)[0] == 0
    assert json.loads(Path(f"{odd}.json").read_text())["collections"][0]["status"] == "verified"
    rows = Path(f"{odd}.jsonl")
    rows.write_text('{"id": "a", "text": "b"}\n{"id": 1}\n')
    load = ("load", str(rows), "chroma:db", "docs", "--text", "text", "--embed", "lexical:16", "--id")
    assert run(*load, "id", "--json")[0] == 5
    assert run(*load, odd)[0] == 2
    for name in (odd, f"{odd}.jsonl", f"jsonl:{odd}", "n" * 300, "../rows.jsonl/x"):
        code, said = run("import", name, "chroma:db")
        assert code in (1, 2), said
        assert "\x1b" not in said


@pytest.mark.parametrize("kind", ["FIFO", "device", "directory"])
@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_a_load_reads_files_only(run: Run, kind: str, suffix: str) -> None:
    path = Path(f"x{suffix}")
    match kind:
        case "FIFO":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "directory":
            path.mkdir()
    code, said = run("load", str(path), "chroma:db", "docs", "--text", "t", "--id", "i", "--embed", "lexical:16")
    assert (code, path.name in said) == (2, True), said
    code, said = run("import", str(path), "chroma:db", "--metric", "l2")
    assert (code in (1, 2), "Traceback" in said) == (True, False), said
    assert not Path("db").exists()
