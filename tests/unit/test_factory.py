"""The factory that imports a client when it connects, and the errors of a client."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

import vstore
from vstore.errors import BackendError, InvalidInput, NotFound, Unavailable
from vstore.spi import LazyFactory, Option, Settings, StoreURL, redacting, translating

MODULE = """
from vstore.memory import MemoryAdapter
from vstore.spi.threaded import ThreadedAdapter

def connect(url, settings):
    return MemoryAdapter()

async def connect_async(url, settings):
    return ThreadedAdapter(MemoryAdapter())

def borrow(client, settings):
    return client

async def borrow_async(client, settings):
    return client
"""


@pytest.fixture
def factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LazyFactory:
    (tmp_path / "lazily_connected.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "lazily_connected", raising=False)
    options = {"host": Option("", "the host"), "schema": Option("x", "where", with_client=True)}
    return LazyFactory(
        "lazy", 1, packages=("lazy",), options=options, module="lazily_connected", holds=lambda path: path.is_dir()
    )


def _settings(**options: object) -> Settings:
    return Settings(1.0, {"host": "", "schema": "x", **options})  # type: ignore[dict-item]


def test_the_module_is_imported_when_it_connects(factory: LazyFactory, tmp_path: Path) -> None:
    assert (factory.name, factory.spi_version, factory.client_packages) == ("lazy", 1, ("lazy",))
    assert factory.holds(tmp_path)
    assert not factory.holds(tmp_path / "missing")
    assert "lazily_connected" not in sys.modules
    assert factory.connect(StoreURL.parse("lazy:"), _settings()).names() == []
    assert "lazily_connected" in sys.modules

    async def names() -> list[str]:
        return await (await factory.connect_async(StoreURL.parse("lazy:"), _settings())).names()

    assert asyncio.run(names()) == []


def test_an_option_that_says_how_to_connect_is_refused_with_a_client(factory: LazyFactory) -> None:
    client = object()
    assert factory.borrow(client, _settings(schema="y")) is client
    assert asyncio.run(factory.borrow_async(client, _settings(schema="y"))) is client
    with pytest.raises(InvalidInput, match="host= has no meaning with client="):
        factory.borrow(client, _settings(host="h"))
    with pytest.raises(InvalidInput, match="host= has no meaning with client="):
        asyncio.run(factory.borrow_async(client, _settings(host="h")))


def test_errors_of_a_client_leave_as_errors_of_the_contract() -> None:
    with pytest.raises(Unavailable, match="away") as caught, translating(lambda error: Unavailable(str(error))):
        raise OSError("away")
    assert isinstance(caught.value.__cause__, OSError)
    with pytest.raises(NotFound), translating(lambda error: Unavailable(str(error))):
        raise NotFound.of_collection("docs")


def test_a_panic_is_an_error_of_an_engine_only() -> None:
    panic = type("PanicException", (BaseException,), {})
    with (
        pytest.raises(BackendError, match="The engine panicked: it broke"),
        translating(BackendError, engine="The engine"),
    ):  # type: ignore[arg-type]
        raise panic("it broke")
    with pytest.raises(panic), translating(BackendError):  # type: ignore[arg-type]
        raise panic("it broke")
    with pytest.raises(KeyboardInterrupt), translating(BackendError, engine="The engine"):  # type: ignore[arg-type]
        raise KeyboardInterrupt


def test_secrets_are_taken_out_of_errors_of_connecting() -> None:
    with pytest.raises(Unavailable) as caught, redacting(("hunter22",)):
        raise Unavailable("no answer to hunter22")
    assert "hunter22" not in str(caught.value)


def test_errors_of_collections_name_them() -> None:
    for error in (
        NotFound.of_collection("docs"),
        vstore.Mismatch.not_created_here("docs"),
        vstore.Mismatch.created_here("docs"),
    ):
        assert error.collection == "docs"
        assert error.hint
