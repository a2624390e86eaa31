"""Everything that is checked before any I/O, once, column by column.

The fast way through each check touches a column with a few passes in C; only when a check fails is the
record found that broke it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vstore.capabilities import Capabilities
from vstore.errors import InvalidInput, LimitExceeded, Unsupported, brief, reading
from vstore.filters import parse
from vstore.filters.tree import (
    MAX_DEPTH,
    MAX_LEAVES,
    DocumentContains,
    Exists,
    Filter,
    Matches,
    Order,
    depth,
    leaves,
)
from vstore.keys import check_key, encodable
from vstore.spi.rewrite import micros, normalize
from vstore.types import Metadata, Metric, VectorArray

__all__ = [
    "check_documents",
    "check_filter",
    "check_ids",
    "check_k",
    "check_metadata",
    "check_metadatas",
    "check_vectors",
]

MAX_ID_BYTES: Final = 512
MAX_KEYS: Final = 1000
MAX_LIST: Final = 1000
MAX_METADATA_BYTES: Final = 32 * 1024
MAX_NESTING: Final = 8
MAX_NORM: Final = 1e15
MIN_COSINE_NORM: Final = 1e-15
_INT64: Final = 1 << 63
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
    if set(map(type, out)) != {str}:
        place, wrong = next((i, x) for i, x in enumerate(out) if type(x) is not str)
        raise InvalidInput(
            f"ids[{place}] is a {type(wrong).__name__}, not a str: {brief(wrong)}",
            hint="Convert it with str(), or a NumPy array of ids with .tolist().",
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


def check_length(name: str, column: Sequence[Any], n: int) -> None:
    """Raises ``InvalidInput`` unless a column has as many rows as there are ids."""
    if len(column) != n:
        raise InvalidInput(f"{name} has {len(column)} rows for {n} ids", hint="All columns have equal length.")


def check_vectors(vectors: object, dimension: int, metric: Metric, *, name: str = "vectors") -> VectorArray:
    """The vectors as a C-contiguous float32 array of shape (n, dimension) (VEC-1, VEC-2).

    The caller's own array comes back if it has that form already; it must not be changed.

    Args:
        vectors: Anything NumPy makes a numeric array of shape (n, dimension) of.
        dimension: The collection's dimension.
        metric: Its metric.
        name: What to call them in an error.

    Raises:
        InvalidInput: A wrong shape, a value that is not a finite number, a norm above 1e15, or under
            cosine a zero vector or a norm below 1e-15 (whose square underflows in float32).
    """
    with reading(name):
        array = _as_array(vectors, dimension, name)
    low, high = (MIN_COSINE_NORM**2 if metric is Metric.COSINE else 0.0), MAX_NORM**2
    with np.errstate(over="ignore"):
        out: VectorArray = np.ascontiguousarray(array, dtype=np.float32)
        if len(out) == 1 and low <= float(np.dot(out[0], out[0])) <= high:  # a query: 3 times as fast
            return out
        squares: NDArray[np.float32] = np.einsum("ij,ij->i", out, out)
    fine = (squares >= low) & (squares <= high)  # NaN compares false
    if not fine.all():
        row = int(np.argmin(fine))
        label = name if name == "vector" else f"{name}[{row}]"
        if not np.isfinite(out[row]).all():
            raise InvalidInput(f"{label} contains NaN, inf or a number beyond float32")
        if squares[row] > high:
            raise InvalidInput(f"{label} has a norm above {MAX_NORM:g}, whose square overflows float32 arithmetic")
        if not out[row].any():
            raise InvalidInput(f"{label} is zero, which has no direction", hint="Cosine needs non-zero vectors.")
        raise InvalidInput(f"{label} has a norm below {MIN_COSINE_NORM:g}, too small for cosine in float32")
    return out


def _as_array(vectors: object, dimension: int, name: str) -> NDArray[Any]:
    try:
        array = np.asarray(vectors)
    except (ValueError, TypeError, OverflowError) as error:
        raise _ragged(vectors, dimension, name) from error
    if array.dtype.kind not in "fiu" or array.ndim != 2 or array.shape[1] != dimension:
        if array.ndim == 2 and array.dtype.kind in "fiu":
            raise InvalidInput(f"{name}: {array.shape[1]} dimensions; the collection has {dimension}")
        raise _ragged(vectors, dimension, name)
    return array


def _ragged(vectors: object, dimension: int, name: str) -> InvalidInput:
    """Says which row is to blame."""
    if isinstance(vectors, Iterable) and not isinstance(vectors, str | bytes):
        for row, vector in enumerate(vectors):
            label = name if name == "vector" else f"{name}[{row}]"
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
    if not set(map(type, out)) <= {str, type(None)}:
        place, wrong = next((i, x) for i, x in enumerate(out) if type(x) not in (str, type(None)))
        raise InvalidInput(f"{name}[{place}] is a {type(wrong).__name__}, not a str or None")
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


def check_metadatas(metadatas: object, n: int, *, nested: bool, keep_none: bool = False) -> list[Metadata]:
    """The metadata dicts (META-1, META-3); a dict that holds no None is the caller's own.

    Args:
        metadatas: One dict or None a record.
        n: Number of records.
        nested: Whether dicts inside are allowed.
        keep_none: Whether None values stay (in an update they remove their key).

    Raises:
        InvalidInput: A value, key or size that the contract refuses, naming the record.
        Unsupported: A dict inside where ``nested`` is False.
    """
    if isinstance(metadatas, str | bytes | Mapping) or not isinstance(metadatas, Iterable):
        raise InvalidInput(f"metadatas must be a list of dicts, not {type(metadatas).__name__}")
    with reading("metadatas"):
        given = list(metadatas)
    check_length("metadatas", given, n)
    known: set[str] = set()
    out: list[Metadata] = []
    for place, one in enumerate(given):
        if one is None:
            out.append({})
            continue
        try:
            out.append(check_metadata(one, known, nested=nested, keep_none=keep_none))
        except (InvalidInput, Unsupported) as error:
            error.message = f"metadatas[{place}]: {error.message}"
            raise
    return out


def check_metadata(
    metadata: object, known: set[str] | None = None, *, nested: bool | None = None, keep_none: bool = False
) -> Metadata:
    """One metadata dict; ``known`` collects keys found legal, so that each is looked at once.

    ``nested`` tells whether this backend takes dicts inside; None where no backend does.
    """
    if type(metadata) is not dict:
        raise InvalidInput(f"metadata must be a dict, not {type(metadata).__name__}")
    bound, nones = _measure(metadata, set() if known is None else known, nested, MAX_NESTING)
    if len(metadata) > MAX_KEYS:
        raise InvalidInput(f"{len(metadata):,} keys; at most {MAX_KEYS:,} are allowed")
    if not nones:
        clean = metadata
    elif keep_none:  # the None that removes a key stands at the top; inside a dict it means absent, as anywhere
        clean = {k: _without_none(v) if type(v) is dict else v for k, v in metadata.items()}
    else:
        clean = _without_none(metadata)
    if bound > MAX_METADATA_BYTES:
        size = len(json.dumps(clean, default=micros, ensure_ascii=False, separators=(",", ":")).encode())
        if size > MAX_METADATA_BYTES:
            raise InvalidInput(f"{size:,} bytes as JSON; at most {MAX_METADATA_BYTES:,} are allowed")
    return clean


def _without_none(metadata: Metadata) -> Metadata:
    return {k: _without_none(v) if type(v) is dict else v for k, v in metadata.items() if v is not None}


def _measure(metadata: Metadata, known: set[str], nested: bool | None, room: int) -> tuple[int, bool]:
    """Checks a dict; returns an upper bound of its size as JSON and whether it holds a None."""
    bound, nones = 2, False
    for key, value in metadata.items():
        if key not in known:
            check_key(key)
            known.add(key)
        kind = type(value)
        bound += 4 * len(key) + 4
        if kind is str:
            bound += 6 * len(value) + 2
            _check_text(key, value)
        elif kind is bool:
            bound += 5
        elif kind is int:
            bound += 20
            _check_int(key, value)
        elif kind is float:
            bound += 25
            _check_float(key, value)
        elif kind is datetime:
            bound += 20
            _check_datetime(key, value)
        elif kind is list:
            bound += _check_list(key, value)
        elif value is None:
            nones = True
        elif kind is dict:
            if nested is None:
                raise InvalidInput(f"{key!r} is a dict; the metadata of a collection is flat")
            if not nested:
                raise Unsupported(
                    f"{key!r} is a dict, and this backend takes flat metadata only",
                    hint="store.capabilities.nested_metadata tells beforehand.",
                )
            if room == 0:
                raise InvalidInput(f"{key!r}: dicts are nested deeper than {MAX_NESTING}")
            inner, more = _measure(value, known, nested, room - 1)
            bound, nones = bound + inner, nones or more
        else:
            raise InvalidInput(
                f"{key!r} has a value of type {kind.__module__}.{kind.__qualname__}", hint=_hint_for(kind)
            )
    return bound, nones


def _hint_for(kind: type) -> str:
    if kind is tuple or kind is set:
        return "Pass a list."
    if kind.__module__ == "numpy":
        return "Use .item() for a scalar, .tolist() for an array."
    return "Values are str, bool, int, float, datetime with a time zone, or a list of one of these."


def _check_text(key: str, value: str) -> None:
    if "\x00" in value or not encodable(value):
        raise InvalidInput(f"{key!r}: the str contains NUL or a lone surrogate")


def _check_int(key: str, value: int) -> None:
    if not -_INT64 <= value < _INT64:
        raise InvalidInput(f"{key!r}: {brief(value)} is outside the 64-bit integers")


def _check_float(key: str, value: float) -> None:
    if not math.isfinite(value):
        raise InvalidInput(f"{key!r}: {value} is not a finite number", hint="Leave the key out instead.")


def _check_datetime(key: str, value: datetime) -> None:
    if value.utcoffset() is None:
        raise InvalidInput(f"{key!r}: the datetime has no time zone", hint="Use datetime(..., tzinfo=UTC).")
    if value.tzinfo is not UTC:
        try:
            value.astimezone(UTC)
        except OverflowError:
            raise InvalidInput(f"{key!r}: in UTC {value} is outside the years 1 to 9999") from None


_ELEMENT_CHECKS: Final[dict[type, Callable[[str, Any], None]]] = {
    str: _check_text,
    int: _check_int,
    float: _check_float,
    datetime: _check_datetime,
}


def _check_list(key: str, value: list[Any]) -> int:
    if not 1 <= len(value) <= MAX_LIST:
        raise InvalidInput(
            f"{key!r}: the list has {len(value):,} elements; 1 to {MAX_LIST:,} are allowed",
            hint="Leave the key out instead of an empty list." if not value else "",
        )
    kinds = set(map(type, value))
    if len(kinds) > 1 or not kinds <= {str, bool, int, float, datetime}:
        names = ", ".join(sorted(k.__name__ for k in kinds))
        raise InvalidInput(
            f"{key!r}: a list holds elements of one type of str, bool, int, float, datetime, not {names}"
        )
    check = _ELEMENT_CHECKS.get(kinds.pop())
    bound = 2
    for element in value:
        if check is not None:
            check(key, element)
        bound += 6 * len(element) + 3 if type(element) is str else 26
    return bound


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
    if depth(where) > MAX_DEPTH:
        raise InvalidInput(f"the filter is nested deeper than {MAX_DEPTH}")
    number = 0
    for leaf in leaves(where):
        number += 1
        if len(path := getattr(leaf, "path", ())) > 1:
            capabilities.require("nested_paths", f"the nested path {path!r} in a filter")
        match leaf:
            case DocumentContains():
                capabilities.require("document_contains", "F.document.contains")
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
    return _SAFE_INT < abs(number) <= _INT64


def check_k(k: object, max_k: int) -> int:
    """``k`` as an int from 1 to ``max_k`` (QRY-1)."""
    if type(k) is not int or k < 1:
        raise InvalidInput(f"k must be an int of at least 1, not {brief(k)}")
    if k > max_k:
        raise LimitExceeded(
            f"k is {brief(k)}; at most {max_k:,} is possible here", hint="Use scan() to read everything."
        )
    return k
