"""Whatever is passed where: an error of the library, with a text, and never one of the database's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import partial, reduce
from typing import Any

import numpy as np
import pytest

import vstore
from vstore import (
    HNSW,
    IVFPQ,
    RRF,
    BackendError,
    Dense,
    DiskANN,
    F,
    Flat,
    InvalidInput,
    IVFFlat,
    Like,
    Search,
    Sparse,
    Store,
    VStoreError,
    Weighted,
    connect,
)
from vstore.filters import parse, to_dict


def hostile(*_: object, **__: object) -> Any:
    raise RuntimeError("hostile")


def made(base: type, *methods: str) -> type:
    return type(f"Hostile{base.__name__}", (base,), dict.fromkeys(methods, hostile))


Anything = made(
    object, "__eq__", "__bool__", "__iter__", "__len__", "__repr__", "__str__", "__index__", "__int__", "__float__",
    "__getitem__", "__contains__", "__lt__", "__array__", "__fspath__", "__hash__",
)  # fmt: skip
NO_ATTRIBUTE = made(object, "__getattr__")()
TEXT = made(str, "__eq__", "__hash__", "__len__", "__repr__", "__str__", "encode")("docs")
LIST = made(list, "__iter__", "__len__", "__repr__")([1])
DICT = made(dict, "items", "keys", "__iter__", "__len__", "__getitem__", "__repr__", "__bool__")(a=1)
MAPPING = made(Mapping, "__iter__", "__len__", "__getitem__", "__repr__")()
SEQUENCE = made(Sequence, "__len__", "__getitem__")()
OBJECTS = np.empty(1, dtype=object)
OBJECTS[0] = Anything()
RECURSIVE: list[Any] = []
RECURSIVE.append(RECURSIVE)


class OneKey(Mapping[Any, Any]):
    """Holds any key, hashable or not."""

    def __init__(self, key: Any, value: Any) -> None:
        self.pair = (key, value)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.pair[:1])

    def __len__(self) -> int:
        return 1

    def __getitem__(self, key: Any) -> Any:
        return self.pair[1]

    def items(self) -> Any:
        return [self.pair]


def raising() -> Iterator[str]:
    yield "a"
    hostile()


def deep(wrap: Callable[[Any], Any]) -> Any:
    return reduce(lambda inner, _: wrap(inner), range(5000), wrap(1))


VALUES: list[Any] = [
    *(np.array(value) for value in (True, 3, 1.0, "a", None)), np.array([1, 2]), np.array([True, False]),
    np.array(["a"]),
    np.ones((2, 2)), np.ones((1, 1, 1)), np.array([]), np.zeros(2, dtype="i4,f4"), OBJECTS, np.int64(1), np.bool_(True),
    np.float32(1), np.str_("a"), np.datetime64("2020"),
    float("nan"), float("inf"), 10**5000, -1, 1, True, None, 1j, "a\ud800", "a\x00", "docs", "x" * 100_000,
    b"a", bytearray(b"a"),
    Anything(), NO_ATTRIBUTE, TEXT, LIST, DICT, MAPPING, SEQUENCE, [Anything()], [TEXT], {"a": Anything()}, {1: 2},
    {"\ud800": 1}, ["\ud800"], [None], [[]], [np.array("a")], deep(lambda x: [x]), deep(lambda x: {"a": x}), RECURSIVE,
    int, hostile, {1}, range(3), object(), ..., F("a"), F("a") == 1, raising,
]  # fmt: skip


def keyed(call: Callable[..., Any], names: Sequence[str], **given: Any) -> dict[str, Callable[[Any], Any]]:
    return {f"{call.__name__}({name}=)": lambda value, name=name: call(**given | {name: value}) for name in names}


def doors(store: Store) -> dict[str, Callable[[Any], Any]]:
    """Every parameter of the public calls, by name."""
    c = store.get_collection("docs")
    columns = {"ids": ["a"], "vectors": [[1, 2]], "documents": ["x"], "metadatas": [{"a": 1}]}
    found: dict[str, Callable[[Any], Any]] = {}
    creating = ["name", "dimension", "metric", "index", "embedder", "metadata", "fields", "partition_by", "exist_ok"]
    found |= keyed(store.create_collection, creating, name="docs", dimension=2)
    found |= keyed(store.get_collection, ["name", "embedder", "mapping"], name="docs")
    found |= keyed(store.delete_collection, ["name", "missing_ok"], name="absent")
    found |= keyed(store.propose_mapping, ["name", "layout"], name="docs")
    found["has_collection"] = store.has_collection
    for write in (c.add, c.upsert, c.update):
        found |= keyed(write, [*columns, *(["replace_metadata"] if write is c.update else [])], **columns)
        for name in columns:
            one = partial(lambda write, name, value: write(**columns | {name: [value]}), write, name)
            found[f"{write.__name__}({name}=[…])"] = one
        found[f"{write.__name__} metadata"] = partial(lambda w, v: w(["a"], [[1, 2]], None, [{"k": v}]), write)
        found[f"{write.__name__} component"] = partial(lambda w, v: w(["a"], [[1, v]]), write)
    hybrid = store.create_collection("hybrid", dimension=2, fields={"image": Dense(2), "terms": Sparse()})
    hybrid.add(["a"], [[1, 2]], sparse=[{1: 1}])
    for write in (hybrid.upsert, hybrid.update):
        found |= keyed(write, ["fields", "sparse"], ids=["a"], vectors=[[1, 2]])
        for name, wrap in {"": lambda v: [v], " index": lambda v: [([v], [1])], " value": lambda v: [{1: v}]}.items():
            sent = partial(lambda w, wrap, v: w(["a"], [[1, 2]], sparse=wrap(v)), write, wrap)
            found[f"hybrid {write.__name__} sparse{name}"] = sent
        found[f"hybrid {write.__name__} image"] = partial(lambda w, v: w(["a"], [[1, 2]], fields={"image": [v]}), write)
        found[f"hybrid {write.__name__} field"] = partial(
            lambda w, v: w(["a"], [[1, 2]], fields=OneKey(v, [None])), write
        )
    found |= keyed(
        hybrid.query,
        ["vector", "text", "sparse", "fuse", "include", "rerank", "group_by", "within", "score_threshold"],
        vector=[1, 2],
        fuse=RRF(),
    )
    found |= keyed(hybrid.query_many, ["vectors", "texts", "sparse", "fuse"], vectors=[[1, 2]], fuse=RRF())
    found["hybrid query image"] = lambda value: hybrid.query({"image": value})
    found["hybrid query terms"] = lambda value: hybrid.query({"terms": value})
    found["hybrid query field"] = lambda value: hybrid.query(OneKey(value, [1, 2]))
    found["embedder of a field"] = lambda value: store.get_collection("hybrid", embedder={"terms": value})
    found |= keyed(Dense, ["dimension", "metric", "index", "embedder"], dimension=2)
    found |= keyed(Sparse, ["embedder"]) | keyed(RRF, ["k", "depth", "weights"])
    found |= keyed(Weighted, ["weights", "normalize", "depth"], weights={"vector": 1.0})
    found |= keyed(Like, ["ids", "unlike"], ids=["b"])
    found["query like"] = lambda value: c.query(Like(value))
    found["a weight"] = lambda value: Weighted({"vector": value})
    found |= {"SparseArray.of": vstore.SparseArray.of, "SparseVector.of": vstore.SparseVector.of}
    found |= keyed(c.get, ["ids", "include"], ids=["a"])
    asking = ["k", "where", "include", "exact", "search"]
    found |= keyed(c.query, ["vector", *asking], vector=[1, 2]) | {"query(text=)": lambda value: c.query(text=value)}
    found |= keyed(c.query_many, ["vectors", *asking], vectors=[[1, 2]])
    found["query_many(texts=)"] = lambda value: c.query_many(texts=value)
    found |= keyed(
        lambda **given: list(c.scan(**given)), ["where", "batch_size", "after", "include", "order_by", "descending"]
    )
    found |= keyed(c.delete, ["ids", "where"]) | {"count": c.count, "peek": c.peek, "rename": c.rename}
    for name in ("k", "$and", "$or", "$not", "$document", "$nested"):
        found[f"where {name}"] = partial(lambda name, value: c.count({name: value}), name)
    lists = ("has", "contains", "contains_any", "contains_all")
    for name in ("$eq", "$in", "$nin", "$lt", *(f"${one}" for one in lists), "$exists", "$matches"):
        found[f"where {name}"] = partial(lambda name, value: c.count({"k": {name: value}}), name)
    for name in ("in_", "not_in", *lists, "matches", "__eq__", "__ne__", "__lt__"):
        found[f"F.{name}"] = getattr(F("k"), name)
    found |= {"F": F, "F.document": F.document.contains, "&": (F("k") == 1).__and__, "to_dict": to_dict, "parse": parse}
    for kind in (HNSW, Flat, IVFFlat, IVFPQ, DiskANN, Search, vstore.RecordMapping):
        found |= keyed(kind, [field.name for field in fields(kind)])
    found["Mapping.from_json"] = vstore.RecordMapping.from_json
    found["connect(client=)"] = lambda value: connect(client=value).close()
    found |= keyed(lambda **given: connect(**given).close(), ["url", "timeout", "retries", "nonsense"], url="memory:")
    return found


def test_only_errors_of_the_library_leave_it_and_blame_the_argument() -> None:
    wrong: list[str] = []
    for place, value in enumerate(VALUES):
        with vstore.connect("memory:") as store:
            store.create_collection("docs", dimension=2).add(["a"], [[1, 2]], ["d"], [{"a": 1}])
            table = doors(store)
            for name in sorted(table, key=lambda name: name.startswith(("rename", "delete_collection"))):
                try:
                    table[name](value() if value is raising else value)
                except VStoreError as error:
                    if isinstance(error, BackendError) or not str(error):
                        wrong.append(f"{name} of value {place}: {type(error).__name__}")
                except Exception as error:  # noqa: BLE001  # that is what is looked for
                    wrong.append(f"{name} of value {place}: {type(error).__name__}: {str(error)[:80]}")
    assert wrong == []


@pytest.mark.parametrize("flag", [np.array(True), np.array([1, 2]), np.bool_(True), 1, None, "yes"])
def test_a_flag_is_true_or_false_itself(flag: Any) -> None:
    with vstore.connect("memory:") as store:
        docs = store.create_collection("docs", dimension=2)
        for call in (
            lambda: docs.query(vector=[1, 0], exact=flag),
            lambda: docs.update(["a"], documents=["x"], replace_metadata=flag),
            lambda: store.create_collection("docs", dimension=2, exist_ok=flag),
            lambda: store.delete_collection("docs", missing_ok=flag),
        ):
            with pytest.raises(InvalidInput, match="must be a bool"):
                call()
        assert store.list_collections() == ["docs"]


def test_what_the_callers_iterator_raises_is_chained() -> None:
    with vstore.connect("memory:") as store:
        docs = store.create_collection("docs", dimension=2)
        with pytest.raises(InvalidInput, match="ids cannot be read: RuntimeError") as caught:
            docs.add(raising(), [[1, 2]])
        assert str(caught.value.__cause__) == "hostile"


@pytest.mark.parametrize("value", ["a\ud800", "a\x00", "a\nb"])
def test_an_option_is_a_text_that_can_be_sent(value: str) -> None:
    for option in ("token", "tenant", "database"):
        with pytest.raises(InvalidInput, match=option):
            connect("chroma://127.0.0.1:1", **{option: value})
