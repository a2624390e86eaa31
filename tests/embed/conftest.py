"""A server that speaks OpenAI's embeddings protocol, for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.embedding_server import EmbeddingServer, embedding_server


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    with embedding_server() as running:
        yield running
