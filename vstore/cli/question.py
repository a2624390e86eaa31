"""What ``vstore query`` asks: a text and a sparse vector, each of its fields, and the embedders of the text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from vstore import Embedder, NotFound, SparseEmbedder, Store
from vstore.core.field_input import unknown_field
from vstore.embed import BM25, kept
from vstore.embed.specs import any_from_spec, opens_by_name
from vstore.errors import InvalidInput
from vstore.fields import UNNAMED, Sparse, only_sparse
from vstore.info import CollectionInfo

__all__ = ["read_embedders", "read_question"]

_HINT = 'Write --sparse \'{"17": 0.5, "4711": 1.25}\'.'


def read_question(
    info: CollectionInfo, text: str | None, sparse: str | None, fields: Sequence[str]
) -> dict[str, str | dict[int, float]]:
    """Return what each field is asked.

    Args:
        info: The collection.
        text: A text for each of the fields that takes no sparse vector; by default for the one without a name.
        sparse: A sparse vector as JSON, for the sparse one of the fields, or for the collection's only one.
        fields: The fields asked.

    Raises:
        InvalidInput: Nothing is asked, a field is asked nothing, or there is no such field.
    """
    if text is None and sparse is None:
        raise InvalidInput("nothing is asked", hint="Pass TEXT, --sparse JSON, or both.")
    asked = list(dict.fromkeys(fields))
    for name in asked:
        if name not in (UNNAMED, *info.fields):
            raise unknown_field(name, info.fields)
    question: dict[str, str | dict[int, float]] = {}
    if sparse is not None:
        among = [name for name in asked if isinstance(info.fields.get(name), Sparse)]
        question[among[0] if len(among) == 1 else only_sparse(info.fields)] = _read_sparse(sparse)
    left = [name for name in asked if name not in question]
    if text is None:
        if left:
            raise InvalidInput(f"the field {left[0]!r} is asked nothing", hint="Pass TEXT, which is embedded for it.")
        return question
    if not left and not info.dimension:
        names = ", ".join(map(repr, info.fields))
        raise InvalidInput(f"{info.name!r} has named fields only: {names}", hint="Pass --field NAME.")
    return question | dict.fromkeys(left or [UNNAMED], text)


def _read_sparse(text: str) -> dict[int, float]:
    try:
        data = json.loads(text)
        if not isinstance(data, dict):
            raise ValueError("it is no JSON object")
        return {int(index): value for index, value in data.items()}
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"--sparse must be a JSON object from index to value: {error}", hint=_HINT) from None


def read_embedders(
    store: Store, info: CollectionInfo, question: dict[str, Any], spec: str | None
) -> dict[str, Embedder | SparseEmbedder]:
    """Return the embedder of each field that is asked a text.

    Args:
        store: The store, which may keep the statistics of BM25.
        info: The collection.
        question: What ``read_question`` returned.
        spec: Names the embedder in place of what is stored with the collection.

    Raises:
        InvalidInput: It is not clear which embedder it is.
    """
    names = [name for name, asked in question.items() if isinstance(asked, str)]
    if spec is not None and len(names) > 1:
        raise InvalidInput(
            f"--embed names one embedder, and the text is asked of {len(names)} fields", hint="Pass one --field."
        )
    return {name: _with_statistics(store, info.name, _embedder(info, name, spec)) for name in names}


def _embedder(info: CollectionInfo, name: str, spec: str | None) -> Embedder | SparseEmbedder:
    if spec is not None:
        return any_from_spec(spec)
    stored = info.embedder if name == UNNAMED else info.fields[name].embedder
    which = repr(info.name) if name == UNNAMED else f"the field {name!r} of {info.name!r}"
    if stored is None or not opens_by_name(stored):
        example = "bm25:" if isinstance(info.fields.get(name), Sparse) else "lexical:512"
        raise InvalidInput(
            "a text needs an embedder" + (f", and {which} was made with {stored!r}" if stored else f" for {which}"),
            hint=f"Pass --embed '{stored or example}', or what names the same model.",
        )
    try:
        return any_from_spec(stored)
    except InvalidInput as error:  # such as a model whose dimension and endpoint are not known here
        raise InvalidInput(
            f"{which} was made with {stored!r}, which does not say all: {error.message}",
            hint="Pass --embed with the options it was made with.",
        ) from error


def _with_statistics(store: Store, name: str, embedder: Embedder | SparseEmbedder) -> Embedder | SparseEmbedder:
    """The embedder with the statistics that the database keeps, which BM25 weighs questions by."""
    if isinstance(embedder, BM25):
        try:
            embedder.statistics = kept(store, name)
        except NotFound:
            raise InvalidInput(
                f"BM25 weighs the words of a question by statistics, and none of {name!r} are kept",
                hint=f"Write embed.keep(store, {name!r}, embed.learn(collection, words)) in Python.",
            ) from None
    return embedder
