"""Which store a name means, and what ``vstore.toml`` may hold."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import vstore
from vstore import InvalidInput, Unsupported
from vstore.core import settings
from vstore.core.placeholders import fill, fill_url
from vstore.core.settings import is_name, named_stores, split_location, store_url
from vstore.transfer import open_location

Write = Callable[[str], Path]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a repository, which is the working directory, and a home without settings."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CONFIG_HOME", "VSTORE_URL", "PGPASS", "HOST"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "project"
    (root / ".git").mkdir(parents=True)
    monkeypatch.chdir(root)
    settings._told.clear()
    return root


@pytest.fixture
def write(project: Path) -> Write:
    def put(text: str) -> Path:
        file = project / "vstore.toml"
        file.write_text(text)
        file.chmod(0o600)
        return file

    return put


@pytest.mark.parametrize(
    ("text", "name", "parts"),
    [
        ("prod", True, ("prod", None)),
        ("prod-2_b", True, ("prod-2_b", None)),
        ("prod/docs", True, ("prod", "docs")),
        ("./prod", False, ("./prod", None)),
        ("prod/docs.jsonl", False, ("prod/docs.jsonl", None)),
        ("a/b/c", False, ("a/b/c", None)),
        ("docs.parquet", False, ("docs.parquet", None)),
        ("memory:", False, ("memory:", None)),
        ("chroma:data/docs", False, ("chroma:data/docs", None)),
        ("~/prod", False, ("~/prod", None)),
        ("", False, ("", None)),
        ("1a", False, ("1a", None)),
        ("prod\n", False, ("prod\n", None)),
    ],
)
def test_what_is_a_name(text: str, name: bool, parts: tuple[str, str | None]) -> None:
    assert is_name(text) is name
    assert split_location(text) == parts


def test_the_environment_names_the_store(project: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput, match=r"connect takes a URL or client=, one of them.*VSTORE_URL"):
        vstore.connect()
    with pytest.raises(InvalidInput, match="VSTORE_URL"):
        vstore.aio.connect()
    monkeypatch.setenv("VSTORE_URL", "memory:")

    async def backend() -> str:
        async with vstore.aio.connect() as store:
            return store.capabilities.backend

    with vstore.connect() as store:
        assert store.capabilities.backend == asyncio.run(backend()) == "memory"
    monkeypatch.setenv("VSTORE_URL", "named")
    write('[stores.named]\nurl = "memory:"')
    with vstore.connect() as store:
        assert store.capabilities.backend == asyncio.run(backend()) == "memory"
    monkeypatch.setenv("VSTORE_URL", "nosuch://me:geheim@host")
    vstore.connect("memory:").close()
    with pytest.raises(InvalidInput) as caught:
        vstore.connect()
    assert "geheim" not in str(caught.value)


def test_the_project_goes_before_the_user(project: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform == "darwin" or os.name == "nt":
        pytest.skip("the user's folder has another name there; platformdirs lists them")
    user = Path.home() / ".config" / "vstore" / "vstore.toml"
    user.parent.mkdir(parents=True)
    user.write_text('[stores.both]\nurl = "chroma:./theirs"\n[stores.theirs]\nurl = "memory:"')
    file = write('[stores.both]\nurl = "chroma:./ours"')
    (project / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(project / "a" / "b")
    found = named_stores()
    assert {name: store.file for name, store in found.items()} == {"both": file, "theirs": user}
    assert store_url("both") == f"chroma:{project}/ours", "a path is relative to the file that names it"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(project))
    (project / "vstore").mkdir()
    (project / "vstore" / "vstore.toml").write_text('[stores.other]\nurl = "memory:"')
    assert set(named_stores()) == {"both", "other"}


def test_nothing_above_the_repository_or_the_home_is_read(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vstore.toml").write_text('[stores.above]\nurl = "memory:"')
    assert named_stores() == {}
    inner = Path.home() / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    assert named_stores() == {}
    (Path.home() / "vstore.toml").write_text('[stores.home]\nurl = "memory:"')
    assert set(named_stores()) == {"home"}
    outside = tmp_path / "outside"
    outside.mkdir()
    monkeypatch.chdir(outside)
    assert named_stores() == {}, "outside of both it is the working directory alone"


@pytest.mark.parametrize(
    ("template", "value", "url"),
    [
        ("postgresql://me:${V}@h/db", "p@s/s:w?r#d%", "postgresql://me:p%40s%2Fs%3Aw%3Fr%23d%25@h/db"),
        ("postgresql://${V}:pw@h/db", "a@b", "postgresql://a%40b:pw@h/db"),
        ("postgresql://me@${V}/db", "[::1]:5433", "postgresql://me@[::1]:5433/db"),
        ("postgresql://h/${V}", "my/db", "postgresql://h/my%2Fdb"),
        ("qdrant://h?api_key=${V}", "a&b=c", "qdrant://h?api_key=a%26b%3Dc"),
        ("${V}", "qdrant://h:1?api_key=x", "qdrant://h:1?api_key=x"),
        ("chroma:${V}/data", "/srv/a b", "chroma:/srv/a b/data"),
        ("chroma:./a?token=${V}", "a b", "chroma:./a?token=a%20b"),
        ("chroma:./$${V}", "x", "chroma:./${V}"),
    ],
)
def test_variables_in_urls(template: str, value: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("V", value)
    assert fill_url(template) == url


@pytest.mark.parametrize(
    ("template", "value", "said"),
    [
        ("postgresql://h:${V}/db", "", "variable V is not set"),
        ("postgresql://${V}/db", "me:geheim@h", "variable V holds what no host"),
        ("chroma:${V}", "a?b=geheim", "variable V holds a ?"),
        ("${V}://h", "geheim", "cannot hold the scheme"),
        ("postgresql://h/${V", "geheim", "no name of a variable"),
        ("postgresql://h/${V:-x}", "geheim", "no name of a variable"),
    ],
)
def test_variables_that_cannot_stand_there(
    template: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("V", value)
    with pytest.raises(InvalidInput) as caught:
        fill_url(template)
    assert said in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_options_beside_the_url(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("""
[stores.prod]
url = "postgresql://me@h/db?sslmode=require"
password = "${PGPASS}"
timeout = 2.5
prepare = false
pool_size = 3
""")
    with pytest.raises(InvalidInput, match=r"vstore\.toml: stores\.prod: password: the environment variable PGPASS"):
        store_url("prod")
    monkeypatch.setenv("PGPASS", "ge heim&")
    assert store_url("prod") == (
        "postgresql://me@h/db?sslmode=require&password=ge+heim%26&timeout=2.5&prepare=false&pool_size=3"
    )
    with pytest.raises(InvalidInput, match="given both in the URL and as a keyword"):
        vstore.connect("prod", pool_size=4)
    assert "heim" not in repr(named_stores())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[store.prod]\nurl = "memory:"', "'store' is no key.*Did you mean stores"),
        ("[stores.prod]\nurl = 1", "url is missing, or no text"),
        ("[stores.prod]\nurll = 'memory:'", "url is missing"),
        (
            "[stores.prod]\nurl = 'qdrant://h'\napi_kee = 'geheim'",
            "api_kee is no option of qdrant.*Did you mean api_key",
        ),
        ("[stores.prod]\nurl = 'qdrant://h'\ntimeout = [1]", "timeout must be a text, a number"),
        ("[stores.prod]\nurl = 'qdrant://h?api_key=geheim'\napi_key = 'geheim'", "in the URL, and beside it"),
        ("[stores.prod]\nurl = 'qdrnt://me:geheim@h'", "Did you mean qdrant"),
        ("[stores.prod]\nurl = 'geheim'", "not a store URL"),
        ("[stores]\nprod = 'geheim'", r"stores\.prod is no table"),
        ("stores = 'geheim'", "stores is no table"),
        ("[stores.'a b']\nurl = 'memory:'", "'a b' is no name of a store"),
        ("[stores.prod]\nurl = 'geheim", "is no TOML"),
        ("\x00", "is no TOML"),
        ("a = " + "[" * 100_000, "is no TOML"),
        ("#" * (1 << 19), "larger than 256 KB"),
    ],
)
def test_what_the_file_may_not_hold(text: str, said: str, write: Write) -> None:
    file = write(text)
    with pytest.raises(InvalidInput, match=f"{file}: .*{said}|{file} .*{said}") as caught:
        store_url("prod")
    assert "geheim" not in str(caught.value)


def test_a_name_that_no_file_has(write: Write) -> None:
    with pytest.raises(InvalidInput, match=r"not a store URL.*chroma:\./data, a path of files as \./prod"):
        vstore.connect("prod")
    write('[stores.production]\nurl = "memory:"')
    with pytest.raises(InvalidInput, match=r"Did you mean production\?.*Named are: production"):
        asyncio.run(vstore.aio.connect("producton")._opened())
    with pytest.raises(InvalidInput, match="names a collection, and a store is wanted"):
        vstore.connect("production/docs")


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither modes nor owners of this kind")
def test_a_file_that_somebody_else_can_have_written_is_not_read(write: Write, project: Path) -> None:
    file = write('[stores.prod]\nurl = "memory:"')
    file.chmod(0o602)
    with pytest.raises(InvalidInput, match="every user of this machine may change"):
        store_url("prod")
    file.unlink()
    (project / "other.toml").write_text('[stores.prod]\nurl = "memory:"')
    file.symlink_to(project / "other.toml")
    with pytest.raises(InvalidInput, match="symbolic link"):
        store_url("prod")
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(InvalidInput, match="pipe"):
        store_url("prod")
    file.unlink()
    if os.getuid() == 0:
        write('[stores.prod]\nurl = "memory:"')
        os.chown(file, 1234, -1)
        with pytest.raises(InvalidInput, match="belongs to another user"):
            store_url("prod")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes of this kind")
@pytest.mark.parametrize(
    ("options", "literal"),
    [
        ('url = "postgresql://me:geheim@h/db"', True),
        ('url = "postgresql://me:ge${HOST}heim@h/db"', True),
        ('url = "qdrant://h?api_key=geheim"', True),
        ('url = "qdrant://h"\napi_key = "geheim"', True),
        ('url = "postgresql://me:${HOST}@h/db"', False),
        ('url = "postgresql://me:geheim@[::1]/db"', True),
        ('url = "qdrant://${HOST}:6333"', False),
        ('url = "qdrant://h"\napi_key = "${HOST}"', False),
        ('url = "postgresql://me@h/db"', False),
    ],
)
def test_a_password_that_everybody_may_read_is_warned_of(
    options: str, literal: bool, write: Write, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HOST", "value")
    file = write(f"[stores.prod]\n{options}")
    store_url("prod")
    assert caplog.text == ""
    file.chmod(0o644)
    store_url("prod")
    store_url("prod")
    assert len(caplog.records) == literal, "once a file"
    assert "geheim" not in caplog.text
    assert all((one.name, one.levelno) == ("vstore.settings", logging.WARNING) for one in caplog.records)


def test_a_keyring_holds_a_value(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write('[stores.prod]\nurl = "qdrant://h"\napi_key = "keyring:my/app/me"')
    module: Any = ModuleType("keyring")
    module.get_password = lambda service, user: {("my/app", "me"): "geheim"}.get((service, user))
    monkeypatch.setitem(sys.modules, "keyring", module)
    assert store_url("prod") == "qdrant://h?api_key=geheim"
    with pytest.raises(InvalidInput, match="keyring set my/app you"):
        fill("keyring:my/app/you")
    with pytest.raises(InvalidInput, match="keyring:service/user"):
        fill("keyring:me")

    def locked(*_: str) -> str:
        raise RuntimeError("geheim")

    module.get_password = locked
    with pytest.raises(InvalidInput, match="cannot be read: RuntimeError"):
        store_url("prod")
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(Unsupported, match=r"vstore-db\[keyring\]"):
        store_url("prod")


def test_a_word_is_never_a_path(write: Write, project: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InvalidInput, match=r"a path of files as \./dump"):
        open_location("dump", new=True)
    assert not (project / "dump").exists()
    write('[stores.dump]\nurl = "memory:"')
    open_location("dump", new=True).close()
    assert caplog.text == ""
    (project / "dump").mkdir()
    open_location("dump", new=True).close()
    assert "write ./dump" in caplog.text
    assert list((project / "dump").iterdir()) == []
