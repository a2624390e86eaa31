"""Each extra, alone: it installs, brings what it promises, and nothing else is needed for it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wheel.environments import ROOT, Environment

DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
NOT_IN_PROSE = {"bench", "check", "models", "peers"}  # the developers'
MISSING = """
import vstore
for url in {urls!r}:
    try:
        vstore.connect(url, timeout=5)
    except vstore.Unsupported as error:
        print(str(error).rpartition("pip install ")[2])
"""
URLS = {
    "chroma:./data": "chroma",
    "chroma::memory:": "chroma",
    "chroma://localhost:8000": "chroma",
    "milvus:./data.db": "milvus-embedded",
    "milvus://localhost:19530": "milvus",
    "pgvector:./data": "pgvector-embedded",
    "pgvector://user@localhost/db": "pgvector",
    "postgresql://user@localhost/db": "pgvector",
    "qdrant:./data": "qdrant-embedded",
    "qdrant::memory:": "qdrant",
    "qdrant://localhost:6333": "qdrant",
}
RECORDS = """
import vstore
with vstore.connect("memory:") as store:
    docs = store.create_collection("docs", dimension=2)
    docs.add(["a"], [[1.0, 2.0]], ["x"], [{"n": 1}])
    records = docs.peek()
"""
SET = """
from vstore.transfer import CollectionSource, copy
from vstore.transfer.files import FileTarget, data_set_path
with vstore.connect("memory:") as store:
    docs = store.create_collection("docs", dimension=2, metric="l2")
    docs.add(["a"], [[1.0, 2.0]], ["x"], [{"n": 1}])
    copy(CollectionSource(store, docs), FileTarget(data_set_path("set.jsonl"))).check()
"""
FILES = f"""{RECORDS}
records.to_parquet("x.parquet")
again = vstore.Records.from_parquet("x.parquet")
frame, table = records.to_pandas(), records.to_arrow()
print(again.metadatas == records.metadatas, vstore.Records.from_pandas(frame).ids, table.num_rows)
"""
LEXICAL = """
from vstore import embed
print(embed.lexical(64).embed(["x"]).shape)
"""
BM25 = """
from vstore import embed
made = embed.bm25(avgdl=5)
print(made.learn(["rains", "rain"]))
"""
JIEBA = """
from vstore import embed
made = embed.bm25(avgdl=5, stemmer=None, cjk="jieba")
print(made.learn(["我来到北京清华大学"]))
"""
OPENAI = """
from vstore import embed
print(embed.openai("text-embedding-3-small", api_key="k").dimension)
"""
REGEX = """
import vstore
from vstore import F
with vstore.connect("memory:") as store:
    docs = store.create_collection("docs", dimension=1)
    docs.add(["a", "b"], [[1.0], [2.0]], metadatas=[{"k": "abc"}, {"k": "abcd"}])
    print(docs.count(F("k").matches("^a.c$")))
"""
LLAMAINDEX = """
from llama_index.core.schema import TextNode
from vstore.integrations.llamaindex import VStoreVectorStore
with VStoreVectorStore("memory:") as store:
    print(store.add([TextNode(id_="a", text="x", embedding=[1.0])]), store.get_nodes()[0].text)
"""
HAYSTACK = """
from haystack import Document
from vstore.integrations.haystack import VStoreDocumentStore
with VStoreDocumentStore("memory:") as store:
    print(store.write_documents([Document(id="a", content="x", embedding=[1.0])]), store.filter_documents()[0].content)
"""
LANGCHAIN = """
from langchain_core.embeddings import DeterministicFakeEmbedding
from vstore.integrations.langchain import VStoreVectorStore
store = VStoreVectorStore.from_texts(
    ["rain", "bread"], DeterministicFakeEmbedding(size=8), [{{"a": None}}, {{"a": "bread"}}], store="{url}"
)
found = store.similarity_search("x", filter={{"a": {{"$eq": "bread"}}}})
print(store.similarity_search("rain", k=1)[0].metadata, found)
"""
SUITE = """
from vstore.conformance.run import run
print(run("memory:", filters=2, sequences=1, clauses=["ID-1"]).passed)
"""
POLARS = f"""{RECORDS}
frame = records.to_polars()
print(frame.columns, vstore.Records.from_polars(frame) == records)
"""
DATASETS = f"""{RECORDS}
dataset = records.to_datasets()
print(dataset.column_names, vstore.Records.from_datasets(dataset) == records)
"""
KEYRING = """
from pathlib import Path
import keyring, vstore
class InMemory(keyring.backend.KeyringBackend):
    priority = 1
    def get_password(self, service, user):
        return "memory:" if (service, user) == ("vstore", "url") else None
    def set_password(self, *_): ...
    def delete_password(self, *_): ...
keyring.set_keyring(InMemory())
Path("vstore.toml").write_text('[stores.prod]\\nurl = "keyring:vstore/url"')
with vstore.connect("prod") as store:
    print(store.capabilities.backend)
"""
OTEL = f"""
import vstore
vstore.instrument()
{RECORDS}
vstore.uninstrument()
print(records.ids)
"""
# an extra, what it is for, and what that prints
ALONE = {
    "arrow": (FILES, "True ['a'] 1"),
    "polars": (POLARS, "['id', 'vector', 'document', 'metadata'] True"),
    "datasets": (DATASETS, "['id', 'vector', 'document', 'metadata'] True"),
    "keyring": (KEYRING, "memory"),
    "otel": (OTEL, "['a']"),
    "lexical": (LEXICAL, "(1, 64)"),
    "bm25": (BM25, "<TermStatistics of 2 documents, 1 terms, stemmer=english&cjk=bigrams>"),
    "jieba": (JIEBA, "<TermStatistics of 1 documents, 7 terms, stemmer=none&cjk=jieba>"),
    "openai": (OPENAI, "1536"),
    "regex": (REGEX, "1"),
    "llamaindex": (LLAMAINDEX, "['a'] x"),
    "haystack": (HAYSTACK, "1 x"),
    "conformance": (SUITE, "True"),
}
LACKING = {
    "records.to_arrow()": "arrow",
    "records.to_pandas()": "arrow",
    "records.to_parquet('x')": "arrow",
    "records.to_polars()": "polars",
    "records.to_datasets()": "datasets",
    "vstore.instrument()": "otel",
}
COMMANDS = {
    "vstore conform memory:": "conformance",
    "vstore demo": "demo",
    "vstore demo --directory copied": "demo",
    "vstore demo --from pgvector --to milvus": "demo",
    "vstore conform memory: --report report.json": "conformance",
    "vstore load docs.jsonl memory: docs --text body --id id --embed lexical:512": "lexical",
    "vstore load docs.parquet memory: docs --text body --id id --embed lexical:512": "arrow",
    "vstore load docs.jsonl memory: docs --text body --id id --embed fastembed:BAAI/bge-small-en-v1.5": "fastembed",
    "vstore load docs.jsonl memory: docs --text body --id id --embed sentence-transformers:x": "sentence-transformers",
    "vstore load docs.jsonl memory: docs --text body --id id --embed openai:text-embedding-3-small": "openai",
    "vstore load docs.jsonl memory: docs --text body --id id --embed chroma:default": "chroma",
    "vstore query chroma://127.0.0.1:1 docs rain": "chroma",
    "vstore inspect milvus://127.0.0.1:1": "milvus",
    "vstore inspect postgresql://user@127.0.0.1:1/db": "pgvector",
    "vstore copy postgresql://user@127.0.0.1:1/db memory: --all": "pgvector",
    "vstore verify qdrant://127.0.0.1:1 memory: --collection docs": "qdrant",
    "vstore export milvus://127.0.0.1:1 dump --all": "milvus",
    "vstore copy set.jsonl copied.parquet --collection docs": "arrow",
    "vstore copy set.jsonl copied.arrow --collection docs": "arrow",
    "vstore copy set.jsonl ./copied --all --dry-run": "arrow",
    "vstore import docs.parquet memory: --metric l2": "arrow",
    "vstore import docs.arrow memory: --metric l2": "arrow",
    "vstore import rows.jsonl pgvector:./pg --metric l2": "pgvector-embedded",
    "vstore import rows.jsonl qdrant:./q --metric l2": "qdrant-embedded",
    "vstore import rows.jsonl milvus:./m.db --metric l2": "milvus-embedded",
}


def test_readme_names_every_extra_and_no_other() -> None:
    prose = (ROOT / "README.md").read_text()
    assert set(re.findall(r"'\.\[([\w-]+)\]'", prose)) == set(DECLARED) - NOT_IN_PROSE


@pytest.mark.xdist_group("bare")
def test_numpy_is_enough_to_import_and_every_missing_client_is_named(
    new_environment: Callable[[], Environment], tmp_path: Path
) -> None:
    environment = new_environment()
    listed = environment.python_code(
        "from importlib.metadata import distributions; print(sorted(d.name.lower() for d in distributions()))", tmp_path
    )
    assert listed.stdout == "['numpy', 'vstore-db']\n"
    done = environment.python_code(f"{RECORDS}\nprint(records.ids, vstore.aio.connect.__name__)", tmp_path)
    assert (done.stdout, done.stderr) == ("['a'] connect\n", "")
    done = environment.python_code(MISSING.format(urls=list(URLS)), tmp_path)
    assert done.stdout.splitlines() == [f"'vstore-db[{extra}]'." for extra in URLS.values()], done.stderr
    for code, extra in LACKING.items():
        done = environment.python_code(f"{RECORDS}\n{code}", tmp_path)
        assert done.stderr.splitlines()[-1].endswith(f"Install it with pip install 'vstore-db[{extra}]'."), code
    done = environment.run("vstore --help", tmp_path)
    assert (done.returncode, done.stderr) == (1, "the vstore command needs typer: pip install 'vstore-db[cli]'\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.xdist_group("bare")
def test_every_command_says_what_it_lacks(new_environment: Callable[[], Environment], tmp_path: Path) -> None:
    environment = new_environment()
    environment.install("cli")
    (tmp_path / "docs.jsonl").write_text('{"id": "a", "body": "x"}\n')
    (tmp_path / "rows.jsonl").write_text('{"id": "a", "vector": [1.0, 2.0]}\n')
    made = environment.python_code(RECORDS + SET, tmp_path)
    assert made.returncode == 0, made.stderr
    for name in ("docs.parquet", "docs.arrow"):
        (tmp_path / name).write_bytes(b"PAR1")
    wrong = {}
    for command, extra in COMMANDS.items():
        done = environment.run(command, tmp_path)
        if done.returncode != 2 or f"pip install 'vstore-db[{extra}]'" not in done.stderr or "Traceback" in done.stderr:
            wrong[command] = (done.returncode, done.stderr)
    assert wrong == {}
    assert sorted(path.name for path in tmp_path.iterdir() if "copied" in path.name) == []


@pytest.mark.parametrize("extra", [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in ALONE])
def test_an_extra_alone_does_what_it_is_for(
    extra: str, new_environment: Callable[[], Environment], tmp_path: Path
) -> None:
    environment = new_environment()
    environment.install(extra)
    code, printed = ALONE[extra]
    done = environment.python_code(code, tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{printed}\n"), done.stderr


@pytest.mark.xdist_group("otel")
def test_the_command_of_opentelemetry_switches_it_on(
    new_environment: Callable[[], Environment], tmp_path: Path
) -> None:
    environment = new_environment()
    environment.install("otel")
    environment.add("opentelemetry-distro")
    (tmp_path / "program.py").write_text(RECORDS)
    command = "opentelemetry-instrument --traces_exporter console --metrics_exporter none --logs_exporter none"
    done = environment.run(f"{command} python program.py", tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("create_collection docs", "add docs", "peek docs"):
        assert f'"name": "{name}"' in done.stdout


@pytest.mark.xdist_group("bare")
@pytest.mark.parametrize("framework", ["haystack", "langchain", "llamaindex"])
def test_an_integration_without_its_framework_names_the_extra(
    framework: str, new_environment: Callable[[], Environment], tmp_path: Path
) -> None:
    done = new_environment().python_code(f"import vstore.integrations.{framework}", tmp_path)
    assert done.stderr.splitlines()[-1].endswith(f"Install it with pip install 'vstore-db[{framework}]'.")


@pytest.mark.xdist_group("langchain")
def test_langchain_and_a_database_are_enough(new_environment: Callable[[], Environment], tmp_path: Path) -> None:
    environment = new_environment()
    done = environment.python_code("import vstore.integrations.langchain", tmp_path)
    assert done.stderr.splitlines()[-1].endswith("Install it with pip install 'vstore-db[langchain]'.")
    environment.install("langchain")
    done = environment.python_code(LANGCHAIN.format(url="memory:"), tmp_path)
    assert done.stdout.startswith("{'a': None} [Document("), done.stderr
    done = environment.python_code(LANGCHAIN.format(url="chroma:./data"), tmp_path)
    assert done.stderr.splitlines()[-1].endswith("Install it with pip install 'vstore-db[chroma]'.")
    environment.install("chroma")
    done = environment.python_code(LANGCHAIN.format(url="chroma:./data"), tmp_path)
    assert done.stdout.startswith("{'a': None} [Document("), done.stderr


# a client, a server that is not there, and a database that it does not bring
CLIENTS = {
    "milvus": ("milvus://127.0.0.1:1", "milvus:./data.db"),
    "pgvector": ("postgresql://user:password@127.0.0.1:1/db", "pgvector:./data"),
    "qdrant": ("qdrant://127.0.0.1:1", "qdrant:./data"),
}


# README.md asks servers of PostgreSQL and Qdrant with the clients alone, see test_pages.py
AGAIN = {"milvus": (), "pgvector": (pytest.mark.nightly,), "qdrant": (pytest.mark.nightly,)}


@pytest.mark.parametrize(
    "extra", [pytest.param(name, marks=[pytest.mark.xdist_group(name), *AGAIN[name]]) for name in CLIENTS]
)
def test_a_client_alone_is_enough_for_a_server_and_asks_for_the_embedded_database(
    extra: str, new_environment: Callable[[], Environment], tmp_path: Path
) -> None:
    environment = new_environment()
    environment.install(extra)
    server, embedded = CLIENTS[extra]
    done = environment.python_code(f"import vstore; vstore.connect({server!r}, timeout=5)", tmp_path)
    assert "vstore.errors.Unavailable: " in done.stderr
    done = environment.python_code(f"import vstore; vstore.connect({embedded!r})", tmp_path)
    assert f"pip install 'vstore-db[{extra}-embedded]'" in done.stderr
