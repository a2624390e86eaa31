"""Embedders named by a text: ``kind:model?option=value``. An embedder's own name is such a text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

from vstore.embed.batching import OnProgress
from vstore.embed.bm25 import bm25
from vstore.embed.chroma_functions import chroma_by_name
from vstore.embed.endpoint import KEY_NAME, MAX_BATCH_BYTES, openai
from vstore.embed.hashing import NGRAMS, lexical
from vstore.embed.local import fastembed, fastembed_sparse, sentence_transformers
from vstore.embed.prefixes import prefixed
from vstore.embedding import Embedder, SparseEmbedder
from vstore.errors import InvalidInput, brief
from vstore.spi.urls import Option, OptionValue, read_options
from vstore.wording import did_you_mean, sentences

__all__ = ["any_from_spec", "from_spec", "opens_by_name"]

Options = Mapping[str, OptionValue]
Made = TypeVar("Made", bound="Embedder | SparseEmbedder")

_NAME: Final = {"name": Option("", "what to store with a collection in place of the model's name")}
_NGRAMS: Final = "-".join(map(str, NGRAMS))
_WITHOUT_MODEL: Final = ("lexical", "bm25")
_BATCH: Final = {"batch_size": Option(0, "most texts at once; 0 for the default")}
_PREFIXES: Final = {
    "document_prefix": Option("", "a text before every document"),
    "query_prefix": Option("", "a text before every text that asks"),
}


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of embedder: its options, or None where all are passed on, and how it is made of those given."""

    options: Mapping[str, Option] | None
    make: Callable[[str, Any, OnProgress | None], Embedder | SparseEmbedder]


def _lexical(model: str, options: Options, on_progress: OnProgress | None) -> Embedder:
    if model and not (model.isascii() and model.isdigit()):
        raise InvalidInput(f"{model!r:.80} is no dimension", hint="Write lexical:512.")
    shortest, dash, longest = str(options.get("ngrams", _NGRAMS)).partition("-")
    if not (dash and shortest.isdecimal() and longest.isdecimal()):
        raise InvalidInput("the option 'ngrams' must be two numbers, such as 1-3")
    return lexical(int(model or 512), ngrams=(int(shortest), int(longest)), on_progress=on_progress)


def _bm25(model: str, options: Options, on_progress: OnProgress | None) -> SparseEmbedder:
    if model:
        raise InvalidInput(f"bm25 has no models, such as {model!r:.80}", hint="Write bm25:?avgdl=256.")
    given: dict[str, Any] = dict(options)
    if given.get("stemmer") == "none":
        given["stemmer"] = None
    return bm25(on_progress=on_progress, **given)


def _openai(model: str, options: Options, on_progress: OnProgress | None) -> Embedder:
    given: dict[str, Any] = {key: v for key, v in options.items() if v != "" and (key, v) != ("batch_size", 0)}
    return openai(model, on_progress=on_progress, **given)


def _local(make: Callable[..., Made]) -> Callable[[str, Options, OnProgress | None], Made]:
    def made(model: str, options: Options, on_progress: OnProgress | None) -> Made:
        return make(model, on_progress=on_progress, **{key: value for key, value in options.items() if value})

    return made


def _chroma(model: str, params: Mapping[str, str], on_progress: OnProgress | None) -> Embedder:
    config = dict(params)
    own: dict[str, Any] = {"name": config.pop("name", None), "on_progress": on_progress}
    for key in ("dimension", "batch_size"):
        if key in config:
            own[key] = read_options({key: Option(0, "")}, {key: config.pop(key)}, {})[key]
    return chroma_by_name(model, config, **own)


_KINDS: Final[dict[str, _Kind]] = {
    "lexical": _Kind({"ngrams": Option(_NGRAMS, "shortest and longest n-gram, e.g. 1-3")}, _lexical),
    "bm25": _Kind(
        {
            "stemmer": Option("english", "a language of the Snowball stemmers, or none"),
            "cjk": Option("bigrams", "bigrams or jieba"),
            "k1": Option(1.2, "how much repeated terms count"),
            "b": Option(0.75, "how much the length of a document counts"),
            "avgdl": Option(256.0, "terms of an average document"),
        },
        _bm25,
    ),
    "openai": _Kind(
        {
            "dimensions": Option(0, "asks the model for this dimension"),
            "dimension": Option(0, "what the model gives, where that is not known"),
            "base_url": Option("", "the endpoint"),
            "api_key_env": Option(KEY_NAME, "the environment variable that holds the key"),
            "max_batch_bytes": Option(MAX_BATCH_BYTES, "most bytes of the texts of one request"),
            "concurrency": Option(4, "most requests at once"),
            "timeout": Option(30.0, "seconds after which a request is given up"),
            "retries": Option(5, "how often a request is repeated"),
            **_BATCH,
            **_NAME,
        },
        _openai,
    ),
    "sentence-transformers": _Kind(
        {"device": Option("", "cpu, cuda, …"), **_BATCH, **_NAME}, _local(sentence_transformers)
    ),
    "fastembed": _Kind(
        {
            "model_path": Option("", "a directory that has the model's files"),
            "cache_dir": Option("", "where models are kept"),
            **_BATCH,
            **_NAME,
        },
        _local(fastembed),
    ),
    "fastembed-sparse": _Kind(
        {
            "model_path": Option("", "a directory that has the model's files"),
            "cache_dir": Option("", "where models are kept"),
            **_BATCH,
            **_NAME,
        },
        _local(fastembed_sparse),
    ),
    "chroma": _Kind(None, _chroma),
}


def from_spec(spec: str, *, on_progress: OnProgress | None = None) -> Embedder:
    """Return the embedder that a text names.

    ``lexical:512``, ``openai:text-embedding-3-small?dimensions=512``, ``sentence-transformers:BAAI/bge-m3``,
    ``fastembed:BAAI/bge-small-zh-v1.5``, ``chroma:default``. Options follow as query parameters and are those of the
    functions in ``vstore.embed``; ``document_prefix`` and ``query_prefix`` are there for every kind. No option holds
    a key: a text like this stands in command lines and logs.

    Args:
        spec: The text.
        on_progress: Called with the number of texts after each request or batch.

    Raises:
        InvalidInput: It cannot be read, names a sparse embedder, or an option is unknown or not legal.
        Unsupported: The package that it needs is not installed.
        VStoreError: What the function of this kind raises.
    """
    made = any_from_spec(spec, on_progress=on_progress)
    if not isinstance(made, Embedder):
        raise InvalidInput(
            f"{brief(spec)} makes sparse vectors, and this takes an embedder of dense ones",
            hint="Give it to a sparse field: embedder={'terms': …}.",
        )
    return made


def any_from_spec(spec: str, *, on_progress: OnProgress | None = None) -> Embedder | SparseEmbedder:
    """Return the embedder, dense or sparse, that a text names: ``bm25:?avgdl=256``, and what ``from_spec`` takes."""
    kind, colon, rest = spec.partition(":") if isinstance(spec, str) else ("", "", "")
    if "://" in f"{kind}{colon}{rest.partition('?')[0]}":  # not repeated: it may hold a password
        raise InvalidInput(
            "a URL names no embedder", hint="Write KIND:MODEL; an endpoint is an option: openai:MODEL?base_url=URL."
        )
    if kind not in _KINDS or not (colon or kind in _WITHOUT_MODEL):
        raise InvalidInput(
            f"{brief(spec)} names no embedder",
            hint=sentences(
                did_you_mean(kind, _KINDS), f"Write KIND:MODEL, e.g. lexical:512. Kinds: {', '.join(_KINDS)}."
            ),
        )
    model, _, query = rest.partition("?")
    if not model and kind not in _WITHOUT_MODEL:
        raise InvalidInput(f"{brief(spec)} names no model", hint=f"Write {kind}:MODEL.")
    params = _params(query)
    prefixes = {key: params.pop(key) for key in _PREFIXES if key in params}
    declared = _KINDS[kind].options
    if declared is None:
        made = _KINDS[kind].make(model, params, on_progress)
    else:
        read = read_options({**declared, **_PREFIXES}, params, {})  # an unknown one is told with all that are known
        made = _KINDS[kind].make(model, {key: value for key, value in read.items() if key in params}, on_progress)
    if not any(prefixes.values()):
        return made
    if not isinstance(made, Embedder):
        raise InvalidInput(f"{kind} has no prefixes: it embeds a question in its own way")
    return prefixed(made, documents=prefixes.get("document_prefix", ""), queries=prefixes.get("query_prefix", ""))


def opens_by_name(name: str | None) -> bool:
    """Whether a command may make the embedder that a collection's stored name says, without being told to.

    Not where the name would have a model downloaded, code loaded, or a key sent elsewhere on the word of a database.
    """
    kind, _, rest = (name or "").partition(":")
    query = rest.partition("?")[2]
    return kind in _WITHOUT_MODEL or (
        kind == "openai" and {key for key, _ in parse_qsl(query)} <= {"dimensions", *_PREFIXES}
    )


def _params(query: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    params = dict(pairs)
    if len(params) != len(pairs):
        raise InvalidInput("an option stands twice")
    return params
