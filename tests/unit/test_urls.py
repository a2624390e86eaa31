"""Store URLs and the options of adapters."""

from __future__ import annotations

import pytest

import vstore
from vstore import InvalidInput
from vstore.registry import factory_for_scheme, plan, schemes
from vstore.urls import Option, StoreURL, read_options


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


NO_URLS = [None, 5, "", "data", "://x", "chroma", "chroma://", "chroma://:80", "chroma://h:port", "chroma://h:99999"]
NO_URLS += ["Chroma:x", "chroma+https:./path", "memory:?a=1&a=2", "chroma://[::1", "1x:y"]


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
        ({"size": "many"}, {}, "must be a int"),
        ({"tls": "maybe"}, {}, "must be a bool"),
        ({}, {"size": True}, "must be a int, not bool"),
        ({}, {"size": "7"}, "must be a int, not str"),
        ({}, {"tls": 1}, "must be a bool, not int"),
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
