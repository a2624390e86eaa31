"""Embedders from the embedding functions of Chroma."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from vstore.embed.batching import OnProgress
from vstore.embed.functions import EmbedFunction, FunctionEmbedder
from vstore.embedding import BACKEND
from vstore.errors import BackendError, InvalidInput
from vstore.optional import load

__all__ = ["chroma", "chroma_by_name"]


def chroma(
    embedding_function: EmbedFunction,
    *,
    name: str | None = None,
    dimension: int | None = None,
    batch_size: int = 256,
    on_progress: OnProgress | None = None,
) -> FunctionEmbedder:
    """An embedder from an embedding function of Chroma; its ``embed_query`` embeds texts that ask.

    Args:
        embedding_function: An instance, of Chroma's own or of one like them.
        name: What to store with a collection; by default ``chroma:``, the name that the function has, and what its
            configuration says of model and dimension.
        dimension: Number of components of a vector; where it is not given, one word is embedded now to learn it.
        batch_size: Most texts of one call.
        on_progress: Called with the number of texts behind each call.

    Raises:
        InvalidInput: It has no name of its own, and ``name`` is not given.
        BackendError: It failed on the word.
    """
    stored = name or _name(embedding_function)
    wanted = _dimension(embedding_function, stored) if dimension is None else dimension
    made = FunctionEmbedder(embedding_function, stored, wanted, batch_size, on_progress)
    queries = getattr(embedding_function, "embed_query", None)
    return made if queries is None else made.answering(queries)


def chroma_by_name(registered: str, config: Mapping[str, str], **options: Any) -> FunctionEmbedder:
    """The same for a function that is registered with Chroma; needs the extra ``chroma``.

    Args:
        registered: Its name there, e.g. ``"default"`` or ``"ollama"``.
        config: Its configuration; values are read as JSON where they are JSON, else as they are.
        **options: Those of ``chroma``.

    Raises:
        InvalidInput: None of this name is registered, or it refuses the configuration.
        Unsupported: chromadb is not installed, or what the function needs.
    """
    known = load("chromadb.utils.embedding_functions", "chroma").known_embedding_functions
    if registered not in known:
        raise InvalidInput(
            f"Chroma has no embedding function {registered!r}", hint=f"It has {', '.join(sorted(known))}."
        )
    try:
        made = known[registered].build_from_config({key: _value(text) for key, text in config.items()})
    except Exception as error:
        raise InvalidInput(
            f"Chroma's embedding function {registered!r} cannot be made: {type(error).__name__}; the cause is chained",
            hint="Its configuration follows as query parameters: chroma:NAME?key=value.",
        ) from error
    return chroma(made, **options)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _name(function: Any) -> str:
    own = getattr(function, "name", None)
    name = own() if callable(own) else None
    if not isinstance(name, str) or not name:  # Chroma's base class answers NotImplemented
        raise InvalidInput(f"{type(function).__name__} has no name of its own", hint="Pass name=.")
    config = getattr(function, "get_config", None)
    settings = config() if callable(config) else None
    if not isinstance(settings, dict):
        return f"chroma:{name}"
    model = {key: value for key, value in sorted(settings.items()) if key.startswith(("model", "dim")) and value}
    return f"chroma:{name}" + (f"?{urlencode(model)}" if model else "")


def _dimension(function: EmbedFunction, name: str) -> int:
    try:
        return len(function(["dimension"])[0])
    except Exception as error:
        raise BackendError(
            f"the embedding function {name!r} failed on one word: {type(error).__name__}; the cause is chained",
            backend=BACKEND,
        ) from error
