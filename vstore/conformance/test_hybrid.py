"""Hybrid queries: HYB-1 to HYB-4. What is right is computed here once more, in plain loops."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

import vstore
from vstore import (
    RRF,
    BackendError,
    Capabilities,
    Collection,
    Dense,
    F,
    Filter,
    InvalidInput,
    LimitExceeded,
    Sparse,
    Store,
    Weighted,
)
from vstore.conformance.checks import matching, names, refusing, rows
from vstore.conformance.corpus import records
from vstore.conformance.fixtures import New, Supports, clause, share
from vstore.conformance.generate import random_filter
from vstore.conformance.session import Session
from vstore.conformance.test_sparse import Row, true_hits
from vstore.records import Records

Leg = list[tuple[float, str]]
"""Distances and ids, nearest first."""

DIMENSION = 3
NUMBER = 300


class Corpus:
    """Records of few distinct values, many of which are equally near. Their distances are exact however they are added.

    Images are the exception: no two of them are equal.
    """

    def __init__(self, *, images: bool, content: Records | None = None) -> None:
        """Args say what they hold.

        Args:
            images: Whether there is a second dense field.
            content: Where documents and metadata come from; ``n`` and ``g`` are put beside.
        """
        rng = random.Random(11)
        self.ids = names(NUMBER if content is None else len(content))
        rng.shuffle(self.ids)
        self.vectors = [[float(rng.randint(-2, 2)) for _ in range(DIMENSION)] for _ in self.ids]
        self.images: list[Any] = [None if rng.random() < 0.2 else _image(rng) for _ in self.ids]
        self.terms: list[Row] = [
            None
            if rng.random() < 0.2
            else {index: rng.choice([0.5, 1.0, 2.0]) for index in rng.sample(range(20), rng.randint(1, 5))}
            for _ in self.ids
        ]
        self.metadatas: list[Any] = [{"n": rng.randint(0, 9), "g": rng.choice("abc")} for _ in self.ids]
        self.documents: list[Any] = [f"{g} {i}" for i, g in enumerate("abc" * (NUMBER // 3))]
        if content is not None and content.documents is not None and content.metadatas is not None:
            self.documents = content.documents
            self.metadatas = [own | row for own, row in zip(self.metadatas, content.metadatas, strict=True)]
        self.fields: dict[str, Dense | Sparse] = {"image": Dense(DIMENSION, "dot")} if images else {}
        self.fields["terms"] = Sparse()

    def load(self, new: New) -> Collection:
        """Returns a new collection that holds them."""
        return self.written(new(DIMENSION, "l2", fields=self.fields))

    def written(self, c: Collection) -> Collection:
        """Writes them into a collection."""
        columns = {"image": self.images, "terms": self.terms}
        given = {name: columns[name] for name in self.fields}
        c.add(self.ids, self.vectors, self.documents, self.metadatas, fields=given)
        return c

    @property
    def content(self) -> Records:
        """What filters are asked of."""
        return Records(self.ids, None, self.documents, self.metadatas)

    def leg(self, field: str, query: Any, where: Filter | None, depth: int) -> Leg:
        """Returns the first of one leg."""
        keep = set(self.ids) if where is None else matching(where, self.content)
        if field == "terms":
            kept = [(name, row) for name, row in zip(self.ids, self.terms, strict=True) if name in keep]
            return true_hits(query, [name for name, _ in kept], [row for _, row in kept], depth)
        found: Leg = []
        for name, vector, image in zip(self.ids, self.vectors, self.images, strict=True):
            if name not in keep:
                continue
            if field == "vector":
                found.append((math.sqrt(sum((a - b) ** 2 for a, b in zip(query, vector, strict=True))), name))
            elif image is not None:
                found.append((0.0 - sum(a * b for a, b in zip(query, image, strict=True)), name))
        return sorted(found)[:depth]


def _image(rng: random.Random) -> list[float]:
    return [float(np.float32(rng.gauss(0, 1))) for _ in range(DIMENSION)]


def fixed(field: str, distance: float) -> float:
    if field == "vector":
        return 1 - 2 * math.atan(distance) / math.pi
    return 0.5 + math.atan(-distance) / math.pi


def fused(legs: dict[str, Leg], how: RRF | Weighted, k: int) -> list[tuple[str, float]]:
    """Ids and scores of the fused list."""
    score: dict[str, float] = {}
    for field, leg in legs.items():
        for rank, (distance, name) in enumerate(leg, start=1):
            if isinstance(how, RRF):
                part = (how.weights or {}).get(field, 1.0) / (how.k + rank)
            elif how.normalize == "fixed":
                part = how.weights[field] * fixed(field, distance)
            else:
                low, high = -leg[-1][0], -leg[0][0]
                part = how.weights[field] * ((-distance - low) / (high - low) if high > low else 1.0)
            score[name] = score.get(name, 0.0) + part
    return sorted(score.items(), key=lambda pair: (-pair[1], pair[0]))[:k]


def check(hits: Any, legs: dict[str, Leg], how: RRF | Weighted, k: int) -> None:
    """The hits are the fused list, with the ranks and scores of their legs."""
    wanted = fused(legs, how, k)
    assert hits.ids == [name for name, _ in wanted]
    if isinstance(how, RRF):
        assert hits.scores.tolist() == [score for _, score in wanted]
    else:
        np.testing.assert_allclose(hits.scores, [score for _, score in wanted], rtol=1e-12, atol=1e-14)
    assert hits.distances.tolist() == [-score for score in hits.scores.tolist()]
    place = {field: {name: rank for rank, (_, name) in enumerate(leg, start=1)} for field, leg in legs.items()}
    for hit in hits:
        assert {field: leg.rank for field, leg in hit.legs.items()} == {
            field: ranks[hit.id] for field, ranks in place.items() if hit.id in ranks
        }
        for field, leg in hit.legs.items():
            want = -legs[field][leg.rank - 1][0]
            assert leg.score == want or (field == "image" and abs(leg.score - want) <= 1e-14)


def _has(supports: Supports) -> bool:
    return supports("sparse_vectors") and supports("exact_query")


@clause("HYB-1", "HYB-2", "HYB-3", "HYB-4")
@pytest.mark.much
@pytest.mark.timeout(3600)
def test_generated_questions_have_the_lists_of_the_reference(
    session: Session, new: New, supports: Supports, pytestconfig: pytest.Config
) -> None:
    if not _has(supports):
        return
    capabilities = session.store.capabilities
    corpus = Corpus(images=supports("named_vectors"), content=records(capabilities, 480))
    c = corpus.load(new)
    wanted: int | None = pytestconfig.getoption("--vstore-hybrid")
    filters: int = pytestconfig.getoption("--vstore-filters")
    number = share(pytestconfig, session.mode, max(1, filters // 2) if wanted is None else wanted)
    rng = random.Random(f"{pytestconfig.getoption('--vstore-seed')} hybrid {session.mode}")  # repeatable
    with vstore.connect("memory:") as reference:
        twin = corpus.written(
            reference.create_collection("twin", dimension=DIMENSION, metric="l2", fields=corpus.fields)
        )
        for _ in range(number):
            asked = _question(rng, corpus)
            how = _fusion(rng, list(asked))
            where = _filter(rng, capabilities)
            k = rng.choice([1, 3, 10, 50, 600])
            hits = c.query(asked, k=k, where=where, fuse=how, include=[], exact=True)
            depth = how.depth or max(100, k)
            check(hits, {field: corpus.leg(field, query, where, depth) for field, query in asked.items()}, how, k)
            assert hits == twin.query(asked, k=k, where=where, fuse=how, include=[], exact=True), "to the last bit"


def _question(rng: random.Random, corpus: Corpus) -> dict[str, Any]:
    made: dict[str, Any] = {"vector": [float(rng.randint(-2, 2)) for _ in range(DIMENSION)]}
    if "image" in corpus.fields:
        made["image"] = _image(rng)
    indices = rng.sample(range(22), rng.choice([0, 1, 1, 2, 3, 8]))
    made["terms"] = {index: rng.choice([0.25, 0.5, 1.0]) for index in indices}
    chosen = rng.sample(list(made), rng.choice([1, 2, 2, len(made)]))
    return {field: made[field] for field in made if field in chosen}


def _fusion(rng: random.Random, fields: list[str]) -> RRF | Weighted:
    weights = {field: rng.choice([1.0, rng.uniform(0.01, 10)]) for field in fields}
    depth = rng.choice([None, None, 1, 2, 7, 30, 450])
    match rng.randrange(4):
        case 0:
            return RRF(depth=depth)
        case 1:
            return RRF(
                k=rng.choice([0, 2, rng.uniform(0, 100)]), depth=depth, weights=rng.choice([weights, {fields[0]: 2.0}])
            )
        case 2:
            return Weighted(weights, depth=depth)
        case _:
            return Weighted(weights, "minmax", depth=depth)


def _filter(rng: random.Random, capabilities: Capabilities) -> Filter | None:
    if rng.random() < 0.5:
        return random_filter(rng, capabilities)
    low = rng.randint(0, 9)
    choices: list[Filter | None] = [
        None,
        F("n") < low,
        F("g") == rng.choice("abc"),
        (F("n") >= low) & ~(F("g") == "a"),
        F("n").in_(rng.sample(range(12), 3)) | (F("g") == "b"),
        F("n") == 77,
        F("n") >= 0,
    ]
    return rng.choice(choices)


@clause("HYB-1", "HYB-2")
def test_many_questions_are_fused_one_by_one(new: New, supports: Supports) -> None:
    if not _has(supports):
        return
    corpus = Corpus(images=False)
    c = corpus.load(new)
    vectors = [[1.0, 0.0, 2.0], [0.0, 0.0, 0.0], [-1.0, 2.0, 1.0]]
    terms: list[dict[int, float]] = [{1: 1.0, 2: 0.5}, {}, {99: 1.0}]
    many = c.query_many(vectors, sparse=terms, k=7, fuse=RRF(depth=20), where=F("n") < 6, exact=True)
    for vector, term, hits in zip(vectors, terms, many, strict=True):
        legs = {name: corpus.leg(name, q, F("n") < 6, 20) for name, q in (("vector", vector), ("terms", term))}
        check(hits, legs, RRF(), 7)
        single = c.query(vector, sparse=term, k=7, fuse=RRF(depth=20), where=F("n") < 6, exact=True)
        assert single == hits
    assert c.query_many([], sparse=[], fuse=RRF()) == []
    refusing(InvalidInput, c, lambda: c.query_many(vectors, sparse=terms[:2], fuse=RRF()))


@clause("HYB-1", "INC-1")
def test_hits_bring_the_columns_asked_and_approximate_legs_fuse_too(new: New, supports: Supports) -> None:
    if not _has(supports):
        return
    corpus = Corpus(images=False)
    c = corpus.load(new)
    place = {name: position for position, name in enumerate(corpus.ids)}
    for exact in (True, False):
        hits = c.query([1, 0, 2], sparse={1: 1.0}, fuse=RRF(), include=["documents", "sparse", "vectors"], exact=exact)
        assert len(hits) == 10
        assert hits.metadatas is None
        for hit in hits:
            assert hit.document == corpus.documents[place[hit.id]]
            assert hit.vector is not None
            assert hit.vector.tolist() == corpus.vectors[place[hit.id]]
            vector: Any = hit.fields["terms"]
            assert (vector and vector.to_dict()) == corpus.terms[place[hit.id]]
        bare = c.query([1, 0, 2], sparse={1: 1.0}, fuse=RRF(), include=[], exact=exact)
        assert (bare.ids, bare.documents, bare.records.fields) == (hits.ids, None, {})
        assert hits[2:4].ids == hits.ids[2:4]
        assert hits[2:4][0] == hits[2]
        assert c.query([1, 0, 2], sparse={1: 1.0}, fuse=RRF(), where=F("n") == 77, exact=exact).ids == []
    defaults = c.query([1, 0, 2], sparse={1: 1.0}, fuse=RRF())
    assert defaults.metadatas == [corpus.metadatas[place[name]] for name in defaults.ids]


@clause("HYB-1")
def test_more_than_one_leg_says_how_to_fuse(store: Store, new: New, supports: Supports) -> None:
    if not _has(supports):
        return
    c = Corpus(images=False).load(new)
    error = refusing(InvalidInput, c, lambda: c.query([1, 0, 2], sparse={1: 1.0}))
    assert "fuse" in str(error)
    refusing(InvalidInput, c, lambda: c.query_many([[1, 0, 2]], sparse=[{1: 1.0}]))
    wrong: list[Any] = [60, "rrf", RRF, {"vector": 1.0}]
    for fuse in wrong:
        refusing(InvalidInput, c, lambda fuse=fuse: c.query([1, 0, 2], sparse={1: 1.0}, fuse=fuse))  # type: ignore[misc]
    unfit = [RRF(weights={"image": 1.0}), Weighted({"vector": 1.0}), Weighted({"vector": 1, "terms": 1, "x": 1})]
    for how in unfit:
        refusing(InvalidInput, c, lambda how=how: c.query([1, 0, 2], sparse={1: 1.0}, fuse=how))  # type: ignore[misc]
    refusing(InvalidInput, c, lambda: c.query({"terms": {1: 1.0}}, sparse={1: 1.0}, fuse=RRF()))
    limit = store.capabilities.limits.max_k
    refusing(LimitExceeded, c, lambda: c.query([1, 0, 2], sparse={1: 1.0}, fuse=RRF(depth=limit + 1)))
    one = c.query(sparse={1: 1.0}, fuse=RRF(), k=3)
    assert one.ids == c.query(sparse={1: 1.0}, k=3).ids
    assert one.scores.tolist() == [1 / 61, 1 / 62, 1 / 63]


@clause("HYB-2", "HYB-4", "QRY-2")
def test_equal_legs_are_cut_by_id(new: New, supports: Supports) -> None:
    if not _has(supports):
        return
    number = 700
    ids = names(number)
    random.Random(2).shuffle(ids)
    c = new(2, "l2", fields={"terms": Sparse()})
    c.add(ids, np.ones((number, 2)), sparse=[{1: 1.0}] * number)
    hits = c.query([1, 1], sparse={1: 1.0}, k=12, fuse=RRF(depth=20), exact=True)
    assert hits.ids == sorted(ids)[:12]
    assert [hit.legs["vector"].rank for hit in hits] == list(range(1, 13))
    flat = c.query([1, 1], sparse={1: 1.0}, k=12, fuse=Weighted({"vector": 1, "terms": 3}, "minmax"), exact=True)
    assert flat.ids == sorted(ids)[:12]
    assert set(flat.scores.tolist()) == {4.0}


@clause("HYB-3", "MET-2")
def test_a_cosine_leg_is_brought_between_0_and_1(new: New, supports: Supports) -> None:
    if not _has(supports):
        return
    c = new(4, "cosine", fields={"terms": Sparse()})
    vectors = rows(50, 4, seed=5)
    c.add(names(50), vectors, sparse=[{1: float(place)} if place % 2 else None for place in range(50)])
    query = vectors[7]
    for normalize in ("fixed", "minmax"):
        how = Weighted({"vector": 2.0, "terms": 0.5}, normalize)
        hits = c.query(query, sparse={1: 2.0}, k=50, fuse=how, exact=True)
        cos = vectors.astype(np.float64) @ query / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query)
        low, high = float(cos.min()), float(cos.max())
        for hit in hits:
            place = int(hit.id[1:])
            s, t = float(cos[place]), 2.0 * place
            if normalize == "fixed":
                want = 2.0 * (1 + s) / 2 + (0.5 * (0.5 + math.atan(t) / math.pi) if place % 2 else 0.0)
            else:
                want = 2.0 * (s - low) / (high - low) + (0.5 * (t - 2.0) / 96.0 if place % 2 else 0.0)
            assert abs(hit.score - want) <= 1e-5


class _Letters:
    """Embeds a text as a dense vector, and as a sparse one."""

    name, dimension = "letters", 2

    def embed(self, texts: Any) -> Any:
        return np.array([[text.count("a"), len(text)] for text in texts], dtype=np.float32)

    def embed_sparse(self, texts: Any) -> Any:
        return [{ord(letter): 1.0 for letter in text} for text in texts]


@clause("HYB-1")
def test_a_text_is_embedded_for_every_field_that_has_an_embedder(new: New, supports: Supports) -> None:
    if not _has(supports):
        return
    letters = _Letters()
    c = new(2, "l2", fields={"terms": Sparse()}, embedder={"vector": letters, "terms": letters})
    c.add(["a", "b", "c"], documents=["abc", "aa", "xyz"])
    hits = c.query(text="aa", fuse=RRF(), exact=True)
    assert hits.ids == ["a", "b", "c"]
    assert {name: leg.rank for name, leg in hits[0].legs.items()} == {"vector": 2, "terms": 1}
    assert set(hits[2].legs) == {"vector"}
    assert "fuse" in str(refusing(InvalidInput, c, lambda: c.query(text="aa")))
    assert c.query(text="z", sparse={ord("c"): 1.0}, fuse=RRF()).legs.keys() == {"vector", "terms"}
    assert c.query({"terms": "z"}).ids == ["c"]
    assert [hits.ids for hits in c.query_many({"terms": ["z", "b"]})] == [["c"], ["a"]]
    assert [hits.ids for hits in c.query_many(texts=["aa"], fuse=RRF(), exact=True)] == [["a", "b", "c"]]
    refusing(InvalidInput, c, lambda: c.query([0, 0], text="aa", sparse={1: 1.0}, fuse=RRF()))


@clause("HYB-5")
def test_a_reranker_orders_the_hits_by_its_scores(new: New) -> None:
    letters = _Letters()
    c = new(2, "l2", embedder=letters)
    c.add(["a", "b", "c", "d"], [[0, 1], [0, 2], [0, 3], [0, 4]], documents=["one", "three", "two", None])
    asked: list[Any] = []

    def rerank(question: str | None, documents: list[str]) -> list[float]:
        asked.append((question, list(documents)))
        return [float(len(document)) for document in documents]

    plain = c.query([0, 0], k=4, exact=True)
    assert plain.ids == ["a", "b", "c", "d"]
    assert plain[0].rank is None
    hits = c.query([0, 0], k=4, exact=True, rerank=rerank)
    assert hits.ids == ["b", "a", "c", "d"], "ties keep their order, and what has no document comes last"
    assert asked == [(None, ["one", "three", "two"])]
    assert [hit.rank for hit in hits] == [2, 1, 3, 4]
    assert [hit.rerank_score for hit in hits] == [5.0, 3.0, 3.0, None]
    assert [hit.distance for hit in hits] == [plain.distances.tolist()[place] for place in (1, 0, 2, 3)]
    bare = c.query(text="aa", k=2, include=["metadatas"], rerank=rerank, exact=True)
    assert asked[-1][0] == "aa"
    assert bare.documents is None
    assert len(bare) == 2
    many = c.query_many(texts=["aa", "b"], k=3, rerank=rerank, exact=True)
    assert [question for question, _ in asked[-2:]] == ["aa", "b"]
    assert all(hits.rerank_scores is not None for hits in many)
    assert c.query([0, 0], where=F("n") == 1, rerank=rerank).ids == []
    wrong: list[Any] = [5, "cross", [1.0]]
    for one in wrong:
        refusing(InvalidInput, c, lambda one=one: c.query([0, 0], rerank=one))  # type: ignore[misc]
    answers: list[Any] = [[1.0], None, ["a"] * 3, [1.0, float("nan"), 2.0], [[1.0]] * 3]
    for answer in answers:
        refusing(BackendError, c, lambda answer=answer: c.query([0, 0], k=4, rerank=lambda *_: answer))  # type: ignore[misc]

    def broken(*_: Any) -> Any:
        raise RuntimeError("it broke")

    assert str(refusing(BackendError, c, lambda: c.query([0, 0], rerank=broken)).__cause__) == "it broke"
