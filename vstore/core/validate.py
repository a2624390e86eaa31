"""Everything that is checked before any I/O, once, column by column.

The fast way through each check touches a column with a few passes in C; only when a check fails is the
record found that broke it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vstore.capabilities import Capabilities
from vstore.errors import InvalidInput, LimitExceeded, brief, reading
from vstore.filters import parse
from vstore.filters.tree import (
    MAX_DEPTH,
    MAX_LEAVES,
    DocumentContains,
    Exists,
    Filter,
    HasText,
    Leaf,
    Matches,
    Order,
    depth,
    leaves,
)
from vstore.indexing import Metric
from vstore.keys import encodable
from vstore.metadata import MAX_INT, check_length, micros
from vstore.records import VectorArray
from vstore.scalars import as_python, as_text
from vstore.spi.rewrite import normalize
from vstore.wording import a_type

__all__ = [
    "check_count",
    "check_documents",
    "check_filter",
    "check_ids",
    "check_k",
    "check_vectors",
]

MAX_ID_BYTES: Final = 512
MAX_NORM: Final = 1e15
MIN_COSINE_NORM: Final = 1e-15
_LEAST_SQUARE: Final = MIN_COSINE_NORM**2
_MOST_SQUARE: Final = MAX_NORM**2
_SAFE_INT: Final = (1 << 53) - 1


def check_ids(ids: object, *, distinct: bool = True) -> list[str]:
    """The ids as a new list (ID-1, ID-2).

    Raises:
        InvalidInput: Not a list of str, an illegal id, or with ``distinct`` the same id twice.
    """
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):
        raise InvalidInput(f"ids must be a list of str, not {type(ids).__name__}", hint="For one record pass ids=[id].")
    with reading("ids"):
        out = list(ids)
    if not out:
        return out
    if set(map(type, out)) != {str} and set(map(type, out := list(map(as_text, out)))) != {str}:
        place, wrong = next((i, x) for i, x in enumerate(out) if type(x) is not str)
        raise InvalidInput(
            f"ids[{place}] is {a_type(type(wrong))}, not a str: {brief(wrong)}",
            hint="Convert it with str().",
        )
    joined = "".join(out)
    if "\x00" in joined or not encodable(joined) or not all(out) or max(map(len, out)) * 4 > MAX_ID_BYTES:
        for place, text in enumerate(out):
            if not text or "\x00" in text or not encodable(text) or len(text.encode()) > MAX_ID_BYTES:
                raise InvalidInput(f"ids[{place}] is not 1 to {MAX_ID_BYTES} bytes of UTF-8 without NUL: {text[:80]!r}")
    if distinct and len(set(out)) != len(out):
        seen: set[str] = set()
        twice = {x for x in out if x in seen or seen.add(x)}  # type: ignore[func-returns-value]
        raise InvalidInput("the same id stands more than once in one call", ids=sorted(twice))
    return out


def check_vectors(
    vectors: object, dimension: int, metric: Metric, *, name: str = "vectors", places: Sequence[int] | None = None
) -> VectorArray:
    """The vectors as a C-contiguous float32 array of shape (n, dimension) (VEC-1, VEC-2).

    The caller's own array comes back if it has that form already; it must not be changed.

    Args:
        vectors: Anything NumPy makes a numeric array of shape (n, dimension) of.
        dimension: The collection's dimension.
        metric: Its metric.
        name: What to call them in an error.
        places: What to call each row in an error, where it is not its own number.

    Raises:
        InvalidInput: A wrong shape, a value that is not a finite number, a norm above 1e15, or under
            cosine a zero vector or a norm below 1e-15 (whose square underflows in float32).
    """
    low, high = (_LEAST_SQUARE if metric is Metric.COSINE else 0.0), _MOST_SQUARE
    if (
        type(vectors) is np.ndarray
        and vectors.dtype == np.float32
        and vectors.shape == (1, dimension)
        # vdot overflows without a warning, and takes half as long as float64 does where the processor's cache is cold
        and low <= float(np.vdot(vectors, vectors)) <= high
        and vectors.flags.c_contiguous
    ):
        return vectors  # a query, as it should be
    with reading(name):
        array = _as_array(vectors, dimension, name, places)
    with np.errstate(over="ignore"):
        out: VectorArray = np.ascontiguousarray(array, dtype=np.float32)
        if len(out) == 1 and low <= float(out[0].dot(out[0])) <= high:  # a query: 3 times as fast
            return out
        squares: NDArray[np.float32] = np.einsum("ij,ij->i", out, out)
    fine = (squares >= low) & (squares <= high)  # NaN compares false
    if not fine.all():
        row = int(np.argmin(fine))
        label = _label(name, row, places)
        if not np.isfinite(out[row]).all():
            raise InvalidInput(f"{label} contains NaN, inf or a number beyond float32")
        if squares[row] > high:
            raise InvalidInput(f"{label} has a norm above {MAX_NORM:g}, whose square overflows float32 arithmetic")
        if not out[row].any():
            raise InvalidInput(f"{label} is zero, which has no direction", hint="Cosine needs non-zero vectors.")
        raise InvalidInput(f"{label} has a norm below {MIN_COSINE_NORM:g}, too small for cosine in float32")
    return out


def _label(name: str, row: int, places: Sequence[int] | None) -> str:
    if name == "vector":  # of a query, which is one
        return name
    return f"{name}[{row if places is None else places[row]}]"


def _as_array(vectors: object, dimension: int, name: str, places: Sequence[int] | None) -> NDArray[Any]:
    try:
        array = np.asarray(vectors)
    except (ValueError, TypeError, OverflowError) as error:
        raise _ragged(vectors, dimension, name, places) from error
    if array.dtype.kind not in "fiu" or array.ndim != 2 or array.shape[1] != dimension:
        if array.ndim == 2 and array.dtype.kind in "fiu":
            raise InvalidInput(f"{name}: {array.shape[1]} dimensions; the collection has {dimension}")
        raise _ragged(vectors, dimension, name, places)
    return array


def _ragged(vectors: object, dimension: int, name: str, places: Sequence[int] | None) -> InvalidInput:
    """Says which row is to blame."""
    if isinstance(vectors, Iterable) and not isinstance(vectors, str | bytes):
        for row, vector in enumerate(vectors):
            label = _label(name, row, places)
            try:
                one = np.asarray(vector)
            except (ValueError, TypeError, OverflowError):
                return InvalidInput(f"{label} is not a list of numbers")
            if one.ndim == 0 and one.dtype.kind in "fiu":
                return InvalidInput(
                    f"{name} must be of shape (n, {dimension}), not one vector", hint=f"Pass {name}=[vector]."
                )
            if one.ndim != 1 or one.dtype.kind not in "fiu":
                return InvalidInput(f"{label} is not a list of numbers (dtype {one.dtype})")
            if len(one) != dimension:
                return InvalidInput(f"{label} has {len(one)} dimensions; the collection has {dimension}")
    return InvalidInput(f"{name} must be numbers of shape (n, {dimension})")


def check_documents(documents: object, n: int, max_bytes: int, *, name: str = "documents") -> list[str | None]:
    """The documents as a new list (DOC-1).

    Args:
        documents: One str or None a record.
        n: Number of records.
        max_bytes: Most UTF-8 bytes of one.
        name: What to call them in an error.

    Raises:
        InvalidInput: Wrong length, a type other than str or None, NUL or a lone surrogate.
        LimitExceeded: A document longer than ``max_bytes`` UTF-8 bytes.
    """
    if isinstance(documents, str | bytes | Mapping | Set) or not isinstance(documents, Iterable):
        raise InvalidInput(f"{name} must be a list of str or None, not {type(documents).__name__}")
    with reading(name):
        out = list(documents)
    check_length(name, out, n)
    text = {str, type(None)}
    if not set(map(type, out)) <= text and not set(map(type, out := list(map(as_text, out)))) <= text:
        place, wrong = next((i, x) for i, x in enumerate(out) if type(x) not in (str, type(None)))
        raise InvalidInput(f"{name}[{place}] is {a_type(type(wrong))}, not a str or None")
    texts = [text for text in out if text]
    joined = "".join(texts)
    if "\x00" in joined or not encodable(joined):
        place = next(i for i, x in enumerate(out) if x and ("\x00" in x or not encodable(x)))
        raise InvalidInput(f"{name}[{place}] contains NUL or a lone surrogate")
    if texts and max(map(len, texts)) * 4 > max_bytes:
        for place, text in enumerate(out):
            if text and len(text.encode()) > max_bytes:
                raise LimitExceeded(f"{name}[{place}] has {len(text.encode()):,} bytes; at most {max_bytes:,} fit")
    return out


def check_filter(where: Filter | Mapping[str, Any], capabilities: Capabilities) -> Filter | bool:
    """The normal form of a filter in either notation, checked against limits and capabilities.

    Raises:
        InvalidInput: Not a filter, an empty one, or one beyond the limits of FLT-7.
        Unsupported: It asks for something this connection cannot do.
    """
    if isinstance(where, Mapping):
        where = parse(where)
    if not isinstance(where, Filter):
        raise InvalidInput(
            f"a filter must be built with F or be a dict, not {type(where).__name__}",
            hint="Combine with &, | and ~; `and`, `or` and `not` give a bool.",
        )
    one = isinstance(where, Leaf)  # most filters are, and a walk through a tree costs as much as the rest
    if not one and depth(where) > MAX_DEPTH:
        raise InvalidInput(f"the filter is nested deeper than {MAX_DEPTH}")
    number = 0
    for leaf in (where,) if one else leaves(where):
        number += 1
        if len(path := getattr(leaf, "path", ())) > 1:
            capabilities.require("nested_paths", f"the nested path {path!r} in a filter")
        match leaf:
            case DocumentContains():
                capabilities.require("document_contains", "F.document.contains")
            case HasText():
                capabilities.require("metadata_contains", "a part of a metadata text in a filter")
            case Matches():
                capabilities.require("matches", "a regular expression in a filter")
            case Order(_, _, str()):
                capabilities.require("string_ordering", "an ordering between strings")
            case Order(_, _, int() | float() | datetime() as value) if _beyond_safe(value):
                capabilities.require("int64_ordering", f"an ordering against {value}, beyond 2**53 - 1,")
            case Exists() | _:
                pass
    if number > MAX_LEAVES:
        raise InvalidInput(f"the filter has {number} leaves; at most {MAX_LEAVES} are allowed", hint="Use in_.")
    return normalize(where)


def _beyond_safe(value: int | float | datetime) -> bool:
    """Whether integers near ``value`` lose bits as floats; beyond the 64-bit integers there are none."""
    number = micros(value) if isinstance(value, datetime) else value
    return _SAFE_INT < abs(number) <= MAX_INT


def check_count(name: str, number: object) -> int:
    """A number as an int of at least 1."""
    found = as_python(number)
    if type(found) is not int or found < 1:
        raise InvalidInput(f"{name} must be an int of at least 1, not {brief(number)}")
    return found


def check_k(k: object, max_k: int) -> int:
    """``k`` as an int from 1 to ``max_k`` (QRY-1)."""
    if type(k) is int and 1 <= k <= max_k:
        return k
    k = check_count("k", k)
    if k > max_k:
        raise LimitExceeded(
            f"k is {brief(k)}; at most {max_k:,} is possible here", hint="Use scan() to read everything."
        )
    return k
