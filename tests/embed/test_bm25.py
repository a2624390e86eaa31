"""``embed.bm25``: terms, weights, statistics, and the scores that come out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

import vstore
from vstore import BackendError, InvalidInput, NotFound, embed
from vstore.embed.statistics import TermStatistics
from vstore.embed.tokens import MODULUS, Terms, index_of

TEXTS = [
    "It rains in Beijing, and rains again",
    "A recipe for bread with salt",
    "Rain on the roof of a bakery in Beijing",
    "",
    "bread bread bread",
]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Running cats run", ["run", "cat", "run"]),
        ("foo_bar 3.14 don't", ["foo", "bar", "3", "14", "don", "t"]),
        ("北京今天", ["北京", "京今", "今天"]),
        ("雨", ["雨"]),
        ("GPU显卡2024年", ["gpu", "2024", "显卡", "年"]),
        ("ｶﾀｶﾅ ＡＢＣ", ["abc", "カタ", "タカ", "カナ"]),  # noqa: RUF001  # wide and narrow forms
        ("한국어", ["한국", "국어"]),
        ("Straße İstanbul", ["strass", "i̇stanbul"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        (" \n—…!? ", []),
    ],
)
def test_texts_become_terms(text: str, terms: list[str]) -> None:
    assert Terms().of(text) == terms


def test_jieba_cuts_chinese_into_words() -> None:
    terms = Terms(cjk="jieba")
    terms.check()
    assert {"北京", "清华大学"} <= set(terms.of("我来到北京清华大学"))


def test_a_term_has_one_index_everywhere() -> None:
    """Vectors on disk hold these numbers."""
    assert [index_of(term) for term in ("rain", "北京", "")] == [850661023, 992970926, 572880235]
    assert all(0 <= index_of(str(number)) < MODULUS < 10**9 for number in range(1000))


def reference(terms: Sequence[list[str]], question: list[str], k1: float, b: float, avgdl: float) -> list[float]:
    """BM25 as it is written in the books, one document at a time."""
    df = Counter(term for one in terms for term in set(one))
    scores = []
    for one in terms:
        tf = Counter(one)
        score = 0.0
        for term in filter(tf.__contains__, question):
            idf = math.log(1 + (len(terms) - df[term] + 0.5) / (df[term] + 0.5))
            score += idf * tf[term] * (k1 + 1) / (tf[term] + k1 * (1 - b + b * len(one) / avgdl))
        scores.append(score)
    return scores


@pytest.mark.parametrize(("k1", "b", "avgdl"), [(1.2, 0.75, 5.0), (0.0, 0.0, 256.0), (2.0, 1.0, 3.0)])
@pytest.mark.parametrize("question", ["rain in Beijing", "bread bread", "nothing known"])
def test_the_product_is_the_score_of_bm25(k1: float, b: float, avgdl: float, question: str) -> None:
    embedder = embed.bm25(k1=k1, b=b, avgdl=avgdl)
    embedder.statistics = embedder.learn(TEXTS)
    documents, (asked,) = embedder.embed_sparse(TEXTS), embedder.queries.embed_sparse([question])
    weights = asked.to_dict()
    scores = [sum(weights.get(index, 0) * value for index, value in row.to_dict().items()) for row in documents]
    terms = Terms()
    expected = reference([terms.of(text) for text in TEXTS], terms.of(question), k1, b, avgdl)
    assert scores == pytest.approx(expected, rel=1e-6)


def test_vectors_are_in_the_order_of_their_indices_and_positive() -> None:
    rows = embed.bm25().embed_sparse(TEXTS)
    assert rows == type(rows).of(list(rows)), "which checks and sorts"
    assert rows.lengths.tolist()[3] == 0, "a text without terms has no vector"


def test_statistics_of_parts_are_those_of_the_whole() -> None:
    embedder = embed.bm25()
    whole = embedder.learn(TEXTS)
    assert embedder.learn(TEXTS[:2]) + embedder.learn(TEXTS[2:]) == whole
    assert (whole.documents, whole.length) == (5, 22 + 3)
    assert whole.of(np.array([index_of("rain"), index_of("bread"), 5], np.uint32)).tolist() == [2, 2, 0]
    assert TermStatistics.from_parts(whole.parts()) == whole
    empty = TermStatistics.empty(embedder.terms)
    assert TermStatistics.from_parts(empty.parts()) == empty


def test_large_statistics_come_in_parts_that_every_store_takes() -> None:
    embedder = embed.bm25(stemmer=None)
    whole = embedder.learn(f"term{number}" for number in range(30_000))
    parts = whole.parts()
    assert len(parts) > 1
    assert all(len(part.encode()) <= 60_000 for part in parts)
    assert TermStatistics.from_parts(parts) == whole
    for damaged in (parts[:-1], parts[::-1], [parts[0][:-9] + "AAAAAAAAA", *parts[1:]], ["no statistics"], []):
        with pytest.raises(BackendError, match="cannot be read"):
            TermStatistics.from_parts(damaged)


@pytest.mark.parametrize("url", ["memory:", "chroma::memory:"])
def test_statistics_are_learned_from_a_collection_and_kept_beside_it(url: str) -> None:
    embedder = embed.bm25()
    with vstore.connect(url) as store:
        docs = store.create_collection("docs", dimension=1)
        with pytest.raises(NotFound):
            embed.kept(store, "docs")
        texts: list[str | None] = [*TEXTS, None]
        docs.add([str(place) for place in range(6)], [[1]] * 6, texts, [{"n": place} for place in range(6)])
        statistics = embed.learn(docs, embedder)
        assert embedder.statistics == statistics == embedder.learn(TEXTS), "a record without a text does not count"
        embed.keep(store, "docs", statistics)
        assert embed.kept(store, "docs") == statistics
        docs.delete(ids=["0", "1"])
        embed.keep(store, "docs", embed.learn(docs, embedder))
        assert embed.kept(store, "docs") == embedder.learn(TEXTS[2:])
        assert store.get_collection("docs_bm25").count() == 1, "the former ones are gone"


async def learned() -> None:
    embedder = embed.bm25()
    async with vstore.aio.connect("memory:") as store:
        docs = await store.create_collection("docs", dimension=1)
        await docs.add(["a"], [[1]], ["rain"])
        await embed.keep_async(store, "docs", await embed.learn_async(docs, embedder))
        assert await embed.kept_async(store, "docs") == embedder.learn(["rain"])


def test_the_async_form_does_the_same() -> None:
    import asyncio

    asyncio.run(learned())


def test_a_question_without_statistics_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no statistics yet"):
        embed.bm25().queries.embed_sparse(["rain"])


def test_statistics_of_other_terms_are_refused() -> None:
    statistics = embed.bm25(stemmer="german").learn(["Regen"])
    with pytest.raises(InvalidInput, match="stemmer=german"):
        embed.bm25(statistics=statistics)
    embedder = embed.bm25()
    embedder.statistics = statistics
    with pytest.raises(InvalidInput, match="stemmer=german"):
        embedder.queries.embed_sparse(["rain"])
    with pytest.raises(InvalidInput, match="cannot be added"):
        statistics + embed.bm25().learn(["rain"])


def test_a_tokenizer_of_ones_own() -> None:
    embedder = embed.bm25(tokenizer=str.split, tokenizer_name="by-spaces")
    assert embedder.name == "bm25:?tokenizer=by-spaces&k1=1.2&b=0.75&avgdl=256"
    assert embedder.embed_sparse(["a-b a-b c"])[0].to_dict().keys() == {index_of("a-b"), index_of("c")}
    wrong = embed.bm25(tokenizer=lambda text: text, tokenizer_name="wrong")
    with pytest.raises(BackendError, match="'wrong' answered 'rain'"):
        wrong.embed_sparse(["rain"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stemmer": "klingon"}, "no stemmer 'klingon'"),
        ({"cjk": "trigrams"}, "'bigrams' or 'jieba'"),
        ({"k1": -1}, "k1 must be"),
        ({"b": 1.5}, "b must be"),
        ({"avgdl": 0}, "avgdl must be"),
        ({"avgdl": float("nan")}, "avgdl must be"),
        ({"k1": True}, "k1 must be"),
        ({"tokenizer": str.split}, "go together"),
        ({"tokenizer_name": "x"}, "go together"),
        ({"tokenizer": "x", "tokenizer_name": "x"}, "must be a function"),
        ({"tokenizer": str.split, "tokenizer_name": "a&b"}, "letters, digits"),
    ],
)
def test_settings_are_checked(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        embed.bm25(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("texts", ["rain", b"rain", [1], [None]])
def test_what_is_no_list_of_texts_is_refused(texts: object) -> None:
    with pytest.raises(InvalidInput):
        embed.bm25().embed_sparse(texts)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        embed.bm25().learn(texts)  # type: ignore[arg-type]


def test_a_text_names_it() -> None:
    with vstore.connect("memory:") as store:
        docs = store.create_collection(
            "docs", fields={"terms": vstore.Sparse()}, embedder={"terms": "bm25:?avgdl=5&stemmer=none"}
        )
        docs.add(["a", "b"], documents=["Rain in Beijing", "bread"])
        name = docs.info.fields["terms"].embedder
        assert name == "bm25:?stemmer=none&cjk=bigrams&k1=1.2&b=0.75&avgdl=5"
        again = store.get_collection("docs", embedder={"terms": name})
        with pytest.raises(InvalidInput, match="no statistics yet"):
            again.query(text="rain")
    for spec, message in [
        ("bm25", "makes sparse vectors"),
        ("bm25:model", "no models"),
        ("bm25:?query_prefix=x", "no prefixes"),
        ("bm25:?avgdl=x", "avgdl"),
        ("bm25:?ngrams=1", "ngrams"),
    ]:
        with pytest.raises(InvalidInput, match=message):
            embed.from_spec(spec)


@pytest.mark.parametrize("text", ["rain", "要带伞吗"])
def test_a_hybrid_query_asks_in_words(text: str) -> None:
    bm25, lexical = embed.bm25(avgdl=5), embed.lexical(64)
    with vstore.connect("memory:") as store:
        docs = store.create_collection(
            "docs", fields={"terms": vstore.Sparse()}, embedder={"vector": lexical, "terms": bm25}
        )
        docs.add(["a", "b", "c"], documents=["Rain in Beijing", "bread and salt", "今天要带伞"])
        embed.learn(docs, bm25)
        hits = docs.query(text=text, k=2, fuse=vstore.RRF())
        assert hits.ids[0] == ("a" if text == "rain" else "c")
        assert hits[0].legs["terms"].rank == 1
