"""Store URLs and the options of adapters."""

from __future__ import annotations

import pytest

import vstore
from vstore import InvalidInput
from vstore.core.registry import factory_for_scheme, plan, schemes
from vstore.spi.urls import Option, StoreURL, names_store, read_options


@pytest.mark.parametrize(
    ("url", "parsed"),
    [
        ("memory:", StoreURL("memory", path="")),
        ("chroma:./data", StoreURL("chroma", path="./data")),
        ("chroma::memory:", StoreURL("chroma", path=":memory:")),
        ("chroma:/a b/c?timeout=5", StoreURL("chroma", path="/a b/c", params={"timeout": "5"})),
        ("chroma://localhost:8000", StoreURL("chroma", host="localhost", port=8000)),
        ("chroma+https://h", StoreURL("chroma", tls=True, host="h")),
        (
            "postgresql://us%40er:p%2Fw%3A@[::1]:5433/my%20db?sslmode=disable",
            StoreURL(
                "postgresql",
                host="::1",
                port=5433,
                user="us@er",
                password="p/w:",
                database="my db",
                params={"sslmode": "disable"},
            ),
        ),
    ],
)
def test_parse(url: str, parsed: StoreURL) -> None:
    assert StoreURL.parse(url) == parsed


@pytest.mark.parametrize("scheme", ["postgres", "postgresql+psycopg", "postgresql+asyncpg", "postgresql+psycopg2"])
def test_other_spellings_of_postgresql_are_understood(scheme: str) -> None:
    parsed = StoreURL.parse(f"{scheme}://u:p@h/db")
    assert (parsed.scheme, parsed.tls, parsed.host, parsed.database) == (scheme, False, "h", "db")
    assert factory_for_scheme(parsed.scheme) is factory_for_scheme("pgvector")
    assert StoreURL.parse(f"{scheme}+https://h").tls


def test_the_directory_of_a_socket() -> None:
    assert StoreURL.parse("postgresql://%2FVar%2Frun/db").host == "/Var/run"
    assert StoreURL.parse("postgresql:///db?host=/cloudsql/a:b:c").params == {"host": "/cloudsql/a:b:c"}
    assert StoreURL.parse("postgresql://[FE80::1%25eth0]:1/db").host == "fe80::1%25eth0"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgre://h/db", "Did you mean postgres or postgresql"),
        ("postgresql+psycopg3://h/db", "Did you mean postgresql+psycopg"),
        ("postgresql+pg8000://h/db", "Did you mean postgresql"),
        ("qdrnt:./x", "Did you mean qdrant"),
        ("http://localhost:6333", "chroma://host:port"),
        ("mongodb+srv://h", "Installed: chroma"),
        ("x" * 100_000 + "://h", "Installed: chroma"),
    ],
)
def test_an_unknown_scheme_is_told_the_nearest(url: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        vstore.connect(url)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 1000


MEMORY = ["qdrant::memory", "chroma::memory", "chroma:memory:", "milvus:memory:", "qdrant::Memory:", "chroma:::memory:"]
MEMORY += ["qdrant: :memory:", "pgvector::memory", "chroma:./:memory:"]


@pytest.mark.parametrize("url", MEMORY)
def test_a_mistyped_store_in_memory_is_no_folder(url: str) -> None:
    with pytest.raises(InvalidInput, match=r"Did you mean \w+::memory:"):
        StoreURL.parse(url)


MISTYPED = ["postgresql:me:geheim@host/db", "postgresql:me:gehe/im@host/db", "pgvector:/me:geheim@host/db"]
MISTYPED += [
    "chroma:http://geheim",
    "qdrant:geheim@host",
    "milvus:geheim@host/x.db",
    "chroma:geheim:8000",
    "chroma:h:1/x",
]
MISTYPED += [
    "postgresql:user:geheim@/db",
    "pgvector:postgresql://u:geheim@h/db",
    "chroma:/geheim:8000",
    "qdrant:h:6333",
]


@pytest.mark.parametrize("url", MISTYPED)
def test_a_mistyped_server_is_no_folder_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidInput, match="looks like the address of a server") as caught:
        StoreURL.parse(url)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    "path", ["./a@b", "./h:1", "C:\\a@b\\c", "C:/data", "memory", "./memory", "data/joe@x", "a:b", "/a/b:c"]
)
def test_paths_that_are_paths(path: str) -> None:
    assert StoreURL.parse(f"chroma:{path}").path == path


AMBIGUOUS = ["postgresql://u:geheim#1@h/db", "postgresql://u:5/geheim@h/db", "postgresql://u:5?geheim@h/db"]
AMBIGUOUS += ["postgresql://u:geheim%ff@h/db", "postgresql://u:geheim%00@h/db", "postgresql://u:geheim@h:0/db"]
AMBIGUOUS += ["postgresql://u:geheim@ho\nst/db", "postgresql://u:geheim@h h/db", "postgresql://u:geheim@h/db?a=%ff"]
AMBIGUOUS += ["postgresql://u:geheim@[::1/db", "postgresql://u:geheim@h/db?=1", "postgresql://u:\ud800geheim@h/db"]


@pytest.mark.parametrize("url", AMBIGUOUS)
def test_what_could_be_read_otherwise_than_it_was_meant_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        StoreURL.parse(url)
    assert "geheim" not in str(caught.value) + repr(caught.value.__cause__) + repr(caught.value.__context__)


FILES = ("parquet", "jsonl")


@pytest.mark.parametrize(
    ("text", "store"),
    [
        ("memory:", True),
        ("chroma:./x", True),
        ("postgresql+psycopg://u:p@h/db", True),
        ("nosuch://u:p@h", True),
        ("Chroma:./x", True),
        ("POSTGRES://h", True),
        ("my-db+driver://h", True),
        (" chroma:./x", True),
        ("parquet:./x", False),
        ("jsonl:x:y", False),
        ("./a:b", False),
        ("out.parquet", False),
        ("C:\\data", False),
        ("/a/b", False),
        ("", False),
    ],
)
def test_what_names_a_store_and_what_a_path(text: str, store: bool) -> None:
    assert names_store(text, files=FILES) is store


@pytest.mark.parametrize("text", ["://u:geheim@h", "./postgresql://u:geheim@h", "parquet://geheim", "a b://geheim"])
def test_no_path_holds_what_begins_a_url(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        names_store(text, files=FILES)
    assert "geheim" not in str(caught.value)


NO_URLS = [None, 5, "", "data", "://x", "chroma", "chroma://", "chroma://:80", "chroma://h:port", "chroma://h:99999"]
NO_URLS += [
    "Chroma:x",
    "chroma+https:./path",
    "chroma: ",
    "chroma:\x00",
    "chroma::x",
    "memory:?a=1&a=2",
    "chroma://[::1",
    "1x:y",
]


@pytest.mark.parametrize("url", NO_URLS)
def test_refused(url: object) -> None:
    with pytest.raises(InvalidInput):
        StoreURL.parse(url)


def test_neither_a_repr_nor_an_error_shows_the_password() -> None:
    assert "geheim" not in repr(StoreURL.parse("postgresql://u:geheim@h/db?token=geheim"))
    for url in ("postgresql://u:geheim@h:port/db", "postgresql://u:geheim@/db", "nosuch://u:geheim@h/db"):
        with pytest.raises(InvalidInput) as caught:
            vstore.connect(url)
        assert "geheim" not in str(caught.value)
        assert "geheim" not in repr(caught.value.__cause__)


DECLARED = {
    "name": Option("x", "a text"),
    "size": Option(4, "an int"),
    "wait": Option(1.5, "a number"),
    "tls": Option(False, "a switch"),
}


def test_options_come_from_the_url_from_keywords_or_by_default() -> None:
    read = read_options(DECLARED, {"size": "7", "tls": "true"}, {"wait": 2})
    assert read == {"name": "x", "size": 7, "wait": 2.0, "tls": True}
    assert type(read["wait"]) is float


@pytest.mark.parametrize(
    ("params", "keywords", "said"),
    [
        ({"sise": "7"}, {}, "unknown option 'sise'"),
        ({}, {"sise": 7}, "unknown option 'sise'"),
        ({"size": "7"}, {"size": 7}, "both in the URL and as a keyword"),
        ({"size": "many"}, {}, "must be an int"),
        ({"tls": "maybe"}, {}, "must be a bool"),
        ({}, {"size": True}, "must be an int, not a bool"),
        ({}, {"size": "7"}, "must be an int, not a str"),
        ({}, {"tls": 1}, "must be a bool, not an int"),
    ],
)
def test_options_that_are_refused(params: dict[str, str], keywords: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_options(DECLARED, params, keywords)
    assert said in str(caught.value)


def test_an_unknown_option_is_told_which_there_are() -> None:
    with pytest.raises(InvalidInput, match="size: an int"):
        read_options(DECLARED, {"sise": "7"}, {})


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 86_401, 10**400, "5", True, None])
def test_a_timeout_is_a_number_of_seconds(timeout: object) -> None:
    with pytest.raises(InvalidInput, match="timeout must be seconds"):
        plan("memory:", None, timeout, 0, {})  # type: ignore[arg-type]


def test_a_timeout_in_the_url_counts() -> None:
    assert plan("memory:?timeout=2.5", None, 30, 0, {}).settings.timeout == 2.5
    with pytest.raises(InvalidInput, match="'timeout'"):
        plan("memory:?timeout=soon", None, 30, 0, {})


def test_every_installed_scheme_has_a_factory_of_its_name() -> None:
    assert {"memory", "chroma", "pgvector", "postgresql"} <= set(schemes())
    assert factory_for_scheme("postgresql") is factory_for_scheme("pgvector")


def test_connect_takes_a_url_or_a_client() -> None:
    for arguments in ({}, {"url": "memory:", "client": object()}, {"client": object()}, {"url": 5}):
        with pytest.raises(InvalidInput):
            vstore.connect(**arguments)  # type: ignore[arg-type]
