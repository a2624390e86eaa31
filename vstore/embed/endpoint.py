"""Embedders behind any endpoint that speaks OpenAI's embeddings protocol."""

from __future__ import annotations

import asyncio
import os
import threading
from asyncio import AbstractEventLoop
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import numpy as np

from vstore.bounds import check_retries, check_timeout
from vstore.embed.batching import OnProgress, batches, check_positive, check_text
from vstore.embed.endpoint_errors import BACKEND, mask, translate
from vstore.embedding import check_answer, check_embedder
from vstore.errors import AuthenticationFailed, BackendError, InvalidInput, VStoreError
from vstore.optional import load
from vstore.records import VectorArray
from vstore.spi.forking import PerProcess

__all__ = ["KEY_NAME", "OpenAIEmbedder", "openai"]

KEY_NAME: Final = "OPENAI_API_KEY"
BATCH_SIZE: Final = 256
MAX_BATCH_BYTES: Final = 300_000
"""OpenAI takes 300,000 tokens a request, and a token has at least one byte."""

# dimension, and texts in one request: DashScope refuses more than 10 (garrytan/gbrain#1199), OpenAI more than 2,048
_KNOWN: Final[dict[str, tuple[int, int]]] = {
    "text-embedding-3-small": (1536, BATCH_SIZE),
    "text-embedding-3-large": (3072, BATCH_SIZE),
    "text-embedding-ada-002": (1536, BATCH_SIZE),
    "text-embedding-v3": (1024, 10),
    "text-embedding-v4": (1024, 10),
}


class OpenAIEmbedder:
    """Asks an OpenAI-compatible endpoint; made by ``openai``. It may be used from many threads and event loops.

    Attributes:
        name: Stored with a collection: the model, and ``dimensions`` where they are asked for. Not the endpoint.
        dimension: Number of components of a vector.
        chunk: Texts that are under way at once.
    """

    def __init__(
        self,
        model: str,
        *,
        dimensions: int | None,
        dimension: int | None,
        base_url: str | None,
        api_key: str | None,
        api_key_env: str,
        batch_size: int | None,
        max_batch_bytes: int,
        concurrency: int,
        timeout: float,
        retries: int,
        name: str | None,
        on_progress: OnProgress | None,
    ) -> None:
        check_text("model", model)
        check_text("api_key_env", api_key_env)
        for what, given in (("name", name), ("base_url", base_url)):
            if given is not None:
                check_text(what, given)
        for what, number in (("dimensions", dimensions), ("dimension", dimension)):
            if number is not None:
                check_positive(what, number)
        known = _KNOWN.get(model, (None, BATCH_SIZE))
        if None not in (dimensions, dimension) and dimensions != dimension:
            raise InvalidInput(
                f"dimensions={dimensions} is asked of the model, but dimension={dimension} is what it gives"
            )
        wanted = next((one for one in (dimensions, dimension, known[0]) if one is not None), None)
        if wanted is None:
            raise InvalidInput(
                f"the dimension of {model!r} is not known",
                hint="Pass dimension=, what the model gives, or dimensions=, what to ask it for.",
            )
        self.name = name or f"openai:{model}" + (f"?dimensions={dimensions}" if dimensions else "")
        self.dimension = wanted
        self._batch_size = known[1] if batch_size is None else batch_size
        self._max_batch_bytes, self._concurrency = max_batch_bytes, concurrency
        check_embedder(self)
        for what, value in (
            ("batch_size", self._batch_size),
            ("max_batch_bytes", max_batch_bytes),
            ("concurrency", concurrency),
        ):
            check_positive(what, value)
        self.chunk = self._batch_size * concurrency
        self._model, self._dimensions, self._key_name = model, dimensions, api_key_env
        self._timeout, self._retries, self._on_progress = check_timeout(timeout), check_retries(retries), on_progress
        self._package = load("openai", "openai")
        if api_key is not None and not isinstance(api_key, str):
            _check_settings(None, api_key)
        self._key = api_key or os.environ.get(api_key_env, "")
        if not self._key:
            raise AuthenticationFailed(
                f"there is no key in the environment variable {api_key_env}",
                hint="Set it; a server of your own that asks for none takes any text.",
                backend=BACKEND,
            )
        self._settings = {"api_key": self._key, "base_url": base_url, "timeout": timeout, "max_retries": retries}
        _check_settings(base_url, self._key)
        # connections belong to one process, and those of an async client to the event loop in which they were made
        self._clients = PerProcess(self._connect)
        self._async_clients = PerProcess(lambda: (threading.Lock(), WeakKeyDictionary[AbstractEventLoop, Any]()))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {self.dimension}>"

    def embed(self, texts: Sequence[str]) -> VectorArray:
        """One float32 vector a text, as an array of shape (len(texts), dimension); requests run in threads.

        Raises:
            Timeout: No answer in time, behind all retries.
            Unavailable: The endpoint cannot be reached, fails, or limits the rate, behind all retries; or the quota is
                spent, which is not retryable.
            AuthenticationFailed: It refused the key.
            NotFound: It does not know the model.
            InvalidInput: It refused a text.
            LimitExceeded: A text or batch is too long.
            BackendError: It answered something else.
        """
        parts = list(batches(texts, self._batch_size, self._max_batch_bytes))
        if len(parts) <= 1 or self._concurrency == 1:
            return self._joined([self._ask(part) for part in parts])
        with ThreadPoolExecutor(min(self._concurrency, len(parts))) as pool:
            try:
                return self._joined(list(pool.map(self._ask, parts)))
            finally:
                pool.shutdown(cancel_futures=True)

    def requests(self, texts: Sequence[str]) -> int:
        """Count the requests of one call with these texts, those that are repeated once."""
        return sum(1 for _ in batches(texts, self._batch_size, self._max_batch_bytes))

    async def embed_async(self, texts: Sequence[str]) -> VectorArray:
        """The same, without threads: at most ``concurrency`` requests at once."""
        gate = asyncio.Semaphore(self._concurrency)
        client = self._async_client()
        parts = batches(texts, self._batch_size, self._max_batch_bytes)
        tasks = [asyncio.ensure_future(self._ask_async(client, gate, part)) for part in parts]
        try:
            return self._joined(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def close(self) -> None:
        """Closes the connections of ``embed``."""
        self._clients.get().close()

    async def aclose(self) -> None:
        """Closes the connections that ``embed_async`` has made in this event loop."""
        lock, clients = self._async_clients.get()
        with lock:
            client = clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()

    def _async_client(self) -> Any:
        loop = asyncio.get_running_loop()
        lock, clients = self._async_clients.get()
        with lock:
            if loop not in clients:
                clients[loop] = self._package.AsyncOpenAI(**self._settings)
            return clients[loop]

    def _connect(self) -> Any:
        try:
            client = self._package.OpenAI(**self._settings)
        except Exception:  # noqa: BLE001  # whatever it cannot read; its text may repeat a URL with a password
            client = None
        if client is None:
            raise InvalidInput("the endpoint's settings cannot be used", hint="Check base_url and OPENAI_BASE_URL.")
        return client

    def _ask(self, texts: list[str]) -> VectorArray:
        with self._translated():
            answer = self._clients.get().embeddings.create(**self._request(texts))
        return self._read(answer, len(texts))

    async def _ask_async(self, client: Any, gate: asyncio.Semaphore, texts: list[str]) -> VectorArray:
        async with gate:
            with self._translated():
                answer = await client.embeddings.create(**self._request(texts))
        return self._read(answer, len(texts))

    def _request(self, texts: list[str]) -> dict[str, Any]:
        # the package asks for base64 where nothing is said, which compatible servers need not know
        asked: dict[str, Any] = {"model": self._model, "input": texts, "encoding_format": "float"}
        return asked if self._dimensions is None else {**asked, "dimensions": self._dimensions}

    def _read(self, answer: Any, n: int) -> VectorArray:
        """The vectors in the order of the texts. The package checks nothing of an answer."""
        given = getattr(answer, "data", None)
        data = given if isinstance(given, list) else []
        indexes = [getattr(one, "index", None) for one in data]
        if len(indexes) != n:
            raise BackendError(f"the endpoint answered {len(indexes)} vectors to {n} texts", backend=BACKEND)
        if set(indexes) != set(range(n)):
            raise BackendError("the endpoint answered vectors of which some belong to no text", backend=BACKEND)
        rows: list[Any] = [None] * n
        for one in data:
            rows[one.index] = getattr(one, "embedding", None)
        vectors = check_answer(self, rows, n, backend=BACKEND)
        if self._on_progress is not None:
            self._on_progress(n)
        return vectors

    def _joined(self, parts: Sequence[VectorArray]) -> VectorArray:
        return np.concatenate([np.empty((0, self.dimension), dtype=np.float32), *parts])

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except VStoreError:
            raise
        except Exception as error:
            mask(error, self._key)
            found = translate(
                self._package,
                error,
                model=self._model,
                key_name=self._key_name,
                timeout=self._timeout,
                retries=self._retries,
            )
            found.__cause__ = error
            found.redact([self._key])
            raise found from error


def _check_settings(base_url: object, key: object) -> None:
    if not isinstance(key, str) or not key.isascii() or not key.isprintable():
        raise InvalidInput("a key is a text of printable ASCII characters", hint="Check api_key=, or its variable.")
    if base_url is None:
        return
    try:
        parts = urlsplit(base_url) if isinstance(base_url, str) and base_url.isprintable() else None
        fine = parts is not None and parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # which may repeat a password
        fine = False
    if not fine:
        raise InvalidInput("base_url must be a URL", hint="For example https://host:8000/v1.")


def openai(
    model: str,
    *,
    dimensions: int | None = None,
    dimension: int | None = None,
    base_url: str | None = None,
    api_key: str | None = None,
    api_key_env: str = KEY_NAME,
    batch_size: int | None = None,
    max_batch_bytes: int = MAX_BATCH_BYTES,
    concurrency: int = 4,
    timeout: float = 30.0,
    retries: int = 5,
    name: str | None = None,
    on_progress: OnProgress | None = None,
) -> OpenAIEmbedder:
    """An embedder behind an OpenAI-compatible endpoint: OpenAI, DashScope, vLLM, Ollama, a server of your own.

    Requests that fail with a rate limit, a status of 408, 409 or 5xx, a timeout or a lost connection are repeated,
    after the pause that the server's ``Retry-After`` asks for or a growing one. Needs the extra ``openai``.

    Args:
        model: The model's name there, e.g. ``"text-embedding-3-small"``.
        dimensions: Asks the model for shorter vectors of this dimension; sent with every request.
        dimension: What the model gives, where that is not known here; checked, not sent.
        base_url: The endpoint, e.g. ``"https://dashscope.aliyuncs.com/compatible-mode/v1"``; by default that of the
            environment variable ``OPENAI_BASE_URL``, or OpenAI's.
        api_key: The key; by default that in the environment variable ``api_key_env``.
        api_key_env: Which one.
        batch_size: Most texts of one request; by default 256, or 10 for the models of DashScope.
        max_batch_bytes: Most UTF-8 bytes of all texts of one request.
        concurrency: Most requests at once, of one call.
        timeout: Seconds without a word from the endpoint after which one request is given up.
        retries: How often a request is repeated.
        name: What to store with a collection in place of the model's name.
        on_progress: Called with the number of texts behind each request, maybe from another thread.

    Raises:
        InvalidInput: A setting that is not legal, or a dimension that is neither given nor known.
        AuthenticationFailed: There is no key.
        Unsupported: The package is not installed.
    """
    return OpenAIEmbedder(
        model,
        dimensions=dimensions,
        dimension=dimension,
        base_url=base_url,
        api_key=api_key,
        api_key_env=api_key_env,
        batch_size=batch_size,
        max_batch_bytes=max_batch_bytes,
        concurrency=concurrency,
        timeout=timeout,
        retries=retries,
        name=name,
        on_progress=on_progress,
    )
