"""``vstore inspect`` and ``vstore query`` of collections with named fields."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vstore import RRF, Dense, Sparse, connect, embed
from vstore.cli.app import app

runner = CliRunner()
TEXTS = ["rain in Beijing", "bread needs flour", "rain on bread"]


def run(*arguments: str) -> tuple[int, str, str]:
    result = runner.invoke(app, list(arguments), env={"COLUMNS": "200", "NO_COLOR": "1"})
    return result.exit_code, result.stdout, " ".join(result.stderr.split())


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A collection ``news`` with words and images beside its vectors, and ``bare`` with images only."""
    url = f"chroma:{tmp_path / 'data'}"
    words = embed.bm25(avgdl=3)
    with connect(url) as store:
        news = store.create_collection(
            "news",
            fields={"words": Sparse(), "image": Dense(2, "l2")},
            embedder={"vector": "lexical:64", "words": words},
        )
        news.add(["a", "b", "c"], documents=TEXTS, fields={"image": [[1, 0], None, [0, 1]]})
        embed.keep(store, "news", embed.learn(news, words))
        store.create_collection("bare", fields={"image": Dense(2, "l2")}).add(["a"], fields={"image": [[1, 0]]})
    return url


def test_inspect_shows_the_fields(url: str) -> None:
    code, out, _ = run("inspect", url, "news")
    assert code == 0
    assert "field words" in out
    assert "kind: dense, dimension: 2, metric: l2" in out
    code, out, _ = run("inspect", url)
    assert "Named fields" in out
    assert "2, l2, HNSW(" in out
    code, out, _ = run("inspect", url, "news", "--json")
    assert json.loads(out)["fields"]["image"]["dimension"] == 2


def test_query_asks_the_fields_it_is_told(url: str) -> None:
    with connect(url) as store:
        words = embed.bm25(avgdl=3, statistics=embed.kept(store, "news"))
        news = store.get_collection("news", embedder={"vector": "lexical:64", "words": words})
        by_words = news.query({"words": "rain"}, k=3).ids
        both = news.query({"vector": "rain", "words": "rain"}, fuse=RRF(), k=3)
        vector = news.get(["a"], include=["words"])[0].fields["words"]
    code, out, err = run("query", url, "news", "rain", "--field", "words", "--json")
    assert (code, err) == (0, "")
    assert [hit["id"] for hit in json.loads(out)] == by_words
    assert set(by_words) == {"a", "c"}
    _, out, _ = run("query", url, "news", "rain", "--field", "words", "--field", "vector", "--json")
    assert [(hit["id"], hit["score"]) for hit in json.loads(out)] == [(hit.id, hit.score) for hit in both]
    asked = json.dumps(vector.to_dict())  # type: ignore[union-attr]
    _, out, _ = run("query", url, "news", "--sparse", asked, "-k", "1", "--json")
    assert [hit["id"] for hit in json.loads(out)] == ["a"]
    _, out, _ = run("query", url, "news", "flour", "--sparse", asked, "--exact", "--json")
    assert {hit["id"] for hit in json.loads(out)} == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["news"], "nothing is asked. Pass TEXT, --sparse JSON, or both."),
        (["news", "rain", "--field", "wods"], "no field 'wods'; it has 'words', 'image'. Did you mean words?"),
        (["news", "rain", "--field", "image"], "a text needs an embedder for the field 'image' of 'news'"),
        (["news", "--sparse", "{}", "--field", "vector"], "the field 'vector' is asked nothing"),
        (["news", "--sparse", "[1]"], "--sparse must be a JSON object from index to value: it is no JSON object"),
        (["news", "--sparse", '{"a": 1}'], "--sparse must be a JSON object from index to value: invalid literal"),
        (["news", "rain", "--field", "words", "--field", "vector", "--embed", "bm25:"], "--embed names one embedder"),
        (["bare", "rain"], "'bare' has named fields only: 'image'. Pass --field NAME."),
        (["bare", "--sparse", "{}"], "the collection has no sparse field"),
    ],
)
def test_a_question_that_is_not_clear_is_refused(url: str, arguments: list[str], message: str) -> None:
    code, out, err = run("query", url, *arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_words_without_kept_statistics_are_refused(url: str) -> None:
    with connect(url) as store:
        store.delete_collection("news_bm25")
    code, _, err = run("query", url, "news", "rain", "--field", "words")
    assert code == 2
    assert "none of 'news' are kept. Write embed.keep(store, 'news', embed.learn(collection, words))" in err
