"""The stores that the suite runs on: targets, and one live connection to each."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from textwrap import dedent
from typing import Any, Literal
from urllib.parse import quote

import vstore
from vstore.conformance import blocking, corpus
from vstore.core.registry import factory_for_scheme
from vstore.records import Records
from vstore.spi.urls import StoreURL

__all__ = ["Mode", "Session", "Target", "shown"]

Mode = Literal["sync", "async"]


@dataclass(frozen=True, slots=True)
class Target:
    """One store to be tested.

    Attributes:
        name: What it is called in test ids and reports.
        url: Its URL; may hold a password, so it is never shown.
    """

    name: str
    url: str = field(repr=False)


def shown(url: str) -> str:
    """A URL without its password and without the values of secret options."""
    parsed = StoreURL.parse(url)
    options = factory_for_scheme(parsed.scheme).options
    params = "&".join(
        f"{name}={'***' if name in options and options[name].secret else quote(value)}"
        for name, value in parsed.params.items()
    )
    head = parsed.scheme + ("+https:" if parsed.tls else ":")
    if parsed.path is not None:
        place = parsed.path
    else:
        user = f"{parsed.user}:***@" if parsed.password else f"{parsed.user}@" if parsed.user else ""
        port = f":{parsed.port}" if parsed.port else ""
        place = f"//{user}{parsed.host}{port}" + (f"/{parsed.database}" if parsed.database else "")
    return head + place + (f"?{params}" if params else "")


class Session:
    """One target in one mode: a store that is connected when it is first needed."""

    def __init__(self, target: Target, mode: Mode) -> None:
        self.target = target
        self.mode = mode
        self._loop = blocking.Loop() if mode == "async" else None
        self._store: vstore.Store | None = None
        self._corpus: vstore.Collection | None = None
        self._corpus_name = ""
        self._records: Records | None = None

    @property
    def store(self) -> vstore.Store:
        """The store, connected."""
        if self._store is None:
            self._store = self.connect(self.target.url)
        return self._store

    def connect(
        self, url: str | None = None, *, client: object | None = None, timeout: float = 30.0, retries: int = 0
    ) -> vstore.Store:
        """Another store in the same mode; the caller closes it."""
        if self._loop is not None:
            return blocking.connect(self._loop, url, client=client, timeout=timeout, retries=retries)
        return vstore.connect(url, client=client, timeout=timeout, retries=retries)

    @property
    def corpus(self) -> vstore.Collection:
        """The collection with the fixed records; it is only read."""
        store = self.store
        if not self._corpus_name:
            self._corpus_name = corpus.load(store).name
        if self._corpus is None:
            self._corpus = store.get_collection(self._corpus_name)
        return self._corpus

    @property
    def records(self) -> Records:
        """The fixed records as they were written, for the reference."""
        if self._records is None:
            self._records = corpus.records(self.store.capabilities)
        return self._records

    def release(self) -> None:
        """Closes the store where its data outlive it, so that another process can have the database."""
        if self.store.capabilities.persistent:
            self.store.close()
            self._store = self._corpus = None

    def elsewhere(self, script: str, **arguments: Any) -> Any:
        """Runs ``script`` in another process, with ``store`` and ``arguments`` as its variables.

        Returns:
            What it assigned to ``result``, which must have a JSON form.
        """
        self.release()
        given = json.dumps({"url": self.target.url, "script": dedent(script), "arguments": arguments})
        done = subprocess.run(  # noqa: S603  # this interpreter, a script of this suite
            [sys.executable, "-P", "-c", _ELSEWHERE],  # -P: nothing of the working directory is imported
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"the other process failed:\n{done.stderr}"
        return json.loads(done.stdout.splitlines()[-1])

    def close(self) -> None:
        """Removes what it made and closes."""
        if self._corpus_name:
            self.store.delete_collection(self._corpus_name)
        if self._store is not None:
            self._store.close()
        if self._loop is not None:
            self._loop.close()


_ELSEWHERE = """
import json, sys
import vstore
from vstore import F
given = json.load(sys.stdin)
with vstore.connect(given["url"]) as store:
    names = {"store": store, "F": F, "vstore": vstore, **given["arguments"]}
    exec(given["script"], names)
print(json.dumps(names["result"]))
"""
