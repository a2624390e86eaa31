"""Embedders that run a model in this process: sentence-transformers and FastEmbed, dense and sparse."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from vstore.embed.batching import OnProgress
from vstore.embed.functions import FunctionEmbedder
from vstore.embed.sparse_functions import FunctionSparseEmbedder
from vstore.embedding import BACKEND
from vstore.errors import BackendError, InvalidInput
from vstore.optional import load

__all__ = ["fastembed", "fastembed_sparse", "sentence_transformers"]


def sentence_transformers(
    model: str | os.PathLike[str],
    *,
    device: str | None = None,
    batch_size: int = 32,
    name: str | None = None,
    on_progress: OnProgress | None = None,
) -> FunctionEmbedder:
    """An embedder that runs a model of sentence-transformers, which is loaded now.

    Documents are embedded with ``encode_document`` and texts that ask with ``encode_query``, which put the prompts
    that the model's own configuration holds before them; a model without embeds both alike. One call runs at a time.
    Needs the extra ``sentence-transformers``.

    Args:
        model: A name on the Hugging Face hub, e.g. ``"BAAI/bge-m3"``, which may be downloaded, or a local directory.
        device: ``"cpu"``, ``"cuda"``, …; by default the best there is.
        batch_size: Texts in one forward pass.
        name: What to store with a collection in place of ``model``; name a local directory by its model.
        on_progress: Called with the number of texts behind each batch.

    Raises:
        BackendError: The model cannot be loaded.
        Unsupported: The package is not installed.
    """
    package = load("sentence_transformers", "sentence-transformers")
    with _loading(model):
        encoder = package.SentenceTransformer(os.fspath(model), device=device)
    # one pass takes all cores as it is; and tokenizers were not safe for threads in every version of transformers
    # (huggingface/transformers#47085; 5.23 is)
    lock = Lock()

    def documents(texts: list[str]) -> Any:
        with lock:
            return encoder.encode_document(texts, batch_size=batch_size, show_progress_bar=False)

    def queries(texts: list[str]) -> Any:
        with lock:
            return encoder.encode_query(texts, batch_size=batch_size, show_progress_bar=False)

    stored = name or f"sentence-transformers:{os.fspath(model)}"
    dimension = encoder.get_embedding_dimension()
    # eight forward passes a call: sentence-transformers sorts the texts of a call by length, to pad less
    return FunctionEmbedder(documents, stored, dimension, 8 * batch_size, on_progress).answering(queries)


def fastembed(
    model: str,
    *,
    model_path: str | os.PathLike[str] | None = None,
    cache_dir: str | None = None,
    batch_size: int = 64,
    name: str | None = None,
    on_progress: OnProgress | None = None,
) -> FunctionEmbedder:
    """An embedder that runs a model of FastEmbed, in ONNX on the processor; it is loaded, and maybe downloaded, now.

    Documents are embedded with ``passage_embed`` and texts that ask with ``query_embed``. One call runs at a time.
    Needs the extra ``fastembed``.

    Args:
        model: One of FastEmbed's models, e.g. ``"BAAI/bge-small-zh-v1.5"``.
        model_path: A local directory that has the model's files; nothing is downloaded then.
        cache_dir: Where models are kept; by default FastEmbed's own place.
        batch_size: Texts in one pass.
        name: What to store with a collection in place of ``model``.
        on_progress: Called with the number of texts behind each batch.

    Raises:
        BackendError: The model cannot be loaded.
        Unsupported: The package is not installed.
    """
    package = load("fastembed", "fastembed")
    encoder, documents, queries = _fastembed(package.TextEmbedding, model, model_path, cache_dir, batch_size)
    made = FunctionEmbedder(
        documents, name or f"fastembed:{model}", encoder.embedding_size, 8 * batch_size, on_progress
    )
    return made.answering(queries)


def fastembed_sparse(
    model: str,
    *,
    model_path: str | os.PathLike[str] | None = None,
    cache_dir: str | None = None,
    batch_size: int = 32,
    name: str | None = None,
    on_progress: OnProgress | None = None,
) -> FunctionSparseEmbedder:
    """Return a sparse embedder that runs a model of FastEmbed, such as SPLADE; it is loaded, and maybe downloaded, now.

    Documents are embedded with ``passage_embed`` and texts that ask with ``query_embed``. One call runs at a time.
    Needs the extra ``fastembed``.

    Args:
        model: One of FastEmbed's sparse models, e.g. ``"prithivida/Splade_PP_en_v1"``.
        model_path: A local directory that has the model's files; nothing is downloaded then.
        cache_dir: Where models are kept; by default FastEmbed's own place.
        batch_size: Texts in one pass.
        name: What to store with a field in place of ``model``.
        on_progress: Called with the number of texts after each batch.

    Raises:
        InvalidInput: The model leaves a part of its weights to the database (``requires_idf``), as BM25 and BM42 do.
        BackendError: The model cannot be loaded.
        Unsupported: The package is not installed.
    """
    package = load("fastembed", "fastembed")
    known = package.SparseTextEmbedding.list_supported_models()
    if any(one["requires_idf"] for one in known if str(one["model"]).lower() == model.lower()):
        raise InvalidInput(
            f"the model {model!r} leaves the inverse document frequency to the database",
            hint="Use embed.bm25(), which weighs a question by the documents' statistics.",
        )
    _, documents, queries = _fastembed(package.SparseTextEmbedding, model, model_path, cache_dir, batch_size)

    def pairs(embed: Callable[[list[str]], list[Any]]) -> Callable[[list[str]], Any]:
        return lambda texts: [(one.indices, one.values) for one in embed(texts)]

    stored = name or f"fastembed-sparse:{model}"
    return FunctionSparseEmbedder(pairs(documents), stored, 8 * batch_size, on_progress).answering(pairs(queries))


def _fastembed(
    kind: Callable[..., Any],
    model: str,
    model_path: str | os.PathLike[str] | None,
    cache_dir: str | None,
    batch_size: int,
) -> tuple[Any, Callable[[list[str]], list[Any]], Callable[[list[str]], list[Any]]]:
    """Loads a model; returns it and what embeds documents and questions, one call at a time."""
    with _loading(model):
        encoder = kind(
            model_name=model,
            cache_dir=cache_dir,
            specific_model_path=None if model_path is None else os.fspath(model_path),
        )
    lock = Lock()

    def documents(texts: list[str]) -> list[Any]:
        with lock:
            return list(encoder.passage_embed(texts, batch_size=batch_size))

    def queries(texts: list[str]) -> list[Any]:
        with lock:
            return list(encoder.query_embed(texts, batch_size=batch_size))

    return encoder, documents, queries


@contextmanager
def _loading(model: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise BackendError(
            f"the model {os.fspath(model)!r} cannot be loaded: {type(error).__name__}; the cause is chained",
            hint="Name one that can be downloaded from here, or a local directory.",
            backend=BACKEND,
        ) from error
