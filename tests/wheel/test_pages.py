"""What README.md, the other pages and the ``--help`` texts show is run as their readers run it.

A page's commands and programs run in its order, in one empty directory, each in a process of its own. Extras are
installed only when an error says which: who follows the advice gets everywhere. A command that no table here knows
fails the test of its page, so that no page can promise what nobody tried.
"""

from __future__ import annotations

import json
import re
import shutil
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

import vstore
from tests.qdrant_double import qdrant_double
from tests.servers import postgres_server
from tests.wheel.environments import ROOT, Environment
from tests.wheel.pages import PAGES, Item, errors_shown, examples_of, files_shown, in_prose, items, links, of_file

pytestmark = [pytest.mark.xdist_group("pages"), pytest.mark.timeout(2700)]

# commands, and what the output of each must hold
COMMANDS = {
    # README.md
    "vstore inspect chroma:./data": ["docs", "exact_query"],
    "vstore inspect chroma:./data notes": ['"metric"'],
    "vstore conform postgresql://user@localhost/db": ["It conforms"],
    "vstore copy chroma:./data qdrant://localhost:6333 --collection docs": ['"status": "verified"'],
    "vstore verify chroma:./data qdrant://localhost:6333 --collection docs": ['"equal": true'],
    "vstore export chroma:./data ./dump --collection docs": ['"status": "verified"'],
    "vstore import ./dump pgvector:./pg": ['"status": "verified"'],
    "vstore load docs.jsonl chroma:./data texts --text body --id id --embed lexical:512": ["3 rows are loaded"],
    'vstore query chroma:./data texts "rain in Beijing" -k 5': ["Rain in Beijing today"],
    "vstore demo --directory ./kept": ["all 4 give the same 4 digits"],
    "vstore demo --from milvus --to qdrant": ["both give the same 4 digits"],
    # docs/embedding.md
    "vstore load docs.jsonl chroma:./data docs --text body --id id --metadata title,year --embed lexical:512": [
        "3 rows are loaded"
    ],
    'vstore query chroma:./data docs "rain in Beijing" --where \'{"year": {"$gte": 2020}}\' -k 5': ["Rain in Beijing"],
    'vstore query chroma:./data docs "rain in Beijing" --json': ['"Rain in Beijing today"'],
    'vstore query chroma:./data both "rain in Beijing" --field vector --field words': ["Rain in Beijing"],
    'vstore query chroma:./data both --sparse \'{"17": 0.5, "4711": 1.25}\'': ["score"],
    # docs/files.md
    "vstore export chroma:./data docs.parquet --collection docs": ['"status": "verified"'],
    "vstore export chroma:./data ./dump --all": ['"status": "verified"'],
    "vstore verify ./dump pgvector:./pg --collection docs": ['"equal": true'],
    "vstore copy ./dump docs.jsonl --collection docs": ['"status": "verified"'],
    "vstore import theirs.parquet pgvector:./pg --id key --vector embedding --document text --metric cosine": [
        '"status": "verified"'
    ],
    "vstore import theirs.parquet qdrant:./q --id key --field image=clip:cosine --field terms=splade:sparse": [
        '"status": "verified"'
    ],
    # docs/mapping.md
    "vstore inspect postgresql://user@localhost/app articles": ['"number"'],
    "vstore inspect postgresql://user@localhost/app articles --json > articles.json": [],
    "vstore inspect postgresql://user@localhost/app articles --mapping articles.json": ['"number"'],
    # docs/migration.md
    "vstore copy chroma:./data postgresql://user@localhost/db --collection docs --dry-run": ['"plan"'],
    "vstore copy chroma:./data postgresql://user@localhost/db --collection docs": ['"status": "verified"'],
    "vstore verify chroma:./data postgresql://user@localhost/db --collection docs": ['"equal": true'],
    "vstore copy chroma:./data qdrant://localhost:6333 --all --workers 4": ['"status": "verified"'],
    # docs/adapters.md
    "vstore conform sqlite:./data.sqlite": ["It conforms"],
    # docs/settings.md
    "vstore stores": ["tore"],
    "vstore inspect staging": ["docs", "exact_query"],
    "vstore inspect staging/docs": ["cosine"],
    "vstore copy staging/docs prod/docs": ['"status": "verified"'],
    # --help
    "vstore demo --from qdrant --to pgvector": ["both give the same 4 digits"],
    "vstore verify chroma:./data pgvector:./pg --collection docs": ['"equal": true'],
    "vstore conform chroma:./data": ["It conforms"],
    "vstore import theirs.parquet pgvector:./pg --id key --vector embedding --metric cosine": ['"status": "verified"'],
}
# what `vstore conform` generates is little here
SHORTENED = {"vstore conform": "--filters 3 --sequences 1 --mode sync"}
# what is not run here, and where it is
ELSEWHERE = {
    "vstore copy chroma:./vector_db postgresql://user@localhost/db --app open-webui --dry-run": "transfer/test_whole",
    "vstore copy chroma:./vector_db postgresql://user@localhost/db --all --rename '[^A-Za-z0-9]+=_' "
    "--rename '^(?=[0-9])=c_'": "cli/test_whole",
    "python3 -m venv .venv && .venv/bin/pip install -e '.[demo]' && .venv/bin/vstore demo": "the demo is",
    "vstore inspect URL NAME": "the same with names, here",
    "vstore conform URL": "test_conform.py, on each embedded store",
    "pip install -e .": "test_adapters: the environments here have no pip of their own",
    "vstore copy chroma:./data postgresql://user@localhost/db --collection docs --dry-run      "
    "--embed 'openai:text-embedding-3-small?dimensions=512'": "tests/transfer/test_embedding.py: it needs a key",
    "vstore copy chroma:./data postgresql://user@localhost/db --collection docs      "
    "--embed 'openai:text-embedding-3-small?dimensions=512' --without-text skip": "the same",
    "vstore copy SOURCE TARGET --embed SPEC": "the same",
    "vstore copy chroma:./data postgresql://user@localhost/app --collection docs --layout ./table.json --dry-run": (
        "tests/transfer/test_described.py"
    ),
    "vstore copy chroma:./data postgresql://user@localhost/app --collection docs --layout ./table.json": "the same",
    "vstore inspect postgresql://user@localhost/app docs --mapping ./table.json": "the same",
    "python examples/tour.py URL": "test_programs.py",
    "python examples/hybrid.py URL": "tests/examples/test_hybrid.py",
    "python examples/langchain_rag.py URL": "tests/integrations/langchain/test_rag.py",
    "pip install '.[chroma]'": "every environment of this folder, from the wheel",
    "python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/python -m pytest -n 3 --dist loadgroup "
    "--ignore=tests/faults --ignore=tests/wheel tests": "the gate runs it, and a test here compares the two",
    "python -m vstore.conformance.table": "test_conform.py, on the report of each store",
    "python tools/unasync.py": "`make check`",
    "python tools/clauses.py": "`make check`",
    "python tools/options.py": "`make check`",
    "python benchmarks/concurrency.py": "by hand: it takes some minutes",
    "python benchmarks/fields.py": "by hand: it takes ten minutes",
    "python benchmarks/growth.py": "by hand: it takes a quarter of an hour",
    "python benchmarks/recall.py": "by hand: it takes some minutes",
    "python benchmarks/transfer.py": "by hand: it takes an hour",
    "python benchmarks/langchain_peers.py": "by hand: it needs the extra `peers`",
    "python benchmarks/llamaindex_peers.py": "by hand: it needs the extra `peers`",
    "gunicorn --chdir examples --workers 3 --threads 4 --preload gunicorn_app:app": "tests/examples/test_gunicorn.py",
    "uvicorn --app-dir examples --workers 3 fastapi_app:app": "tests/examples/test_fastapi.py",
    "gunicorn --workers 1 --threads 16": "options to think of",
    "make bench": "by hand: it takes an hour",
    "make up": "tests/faults and `make test-docker` start the same services",
    "make down": "the same",
    "make up SERVERS=oldest": "by hand: it needs an image registry",
    "make up VSTORE_IMAGES=local": "tests/faults and `make test-docker` start the same services",
    "make test-docker": "by hand: it needs an image registry",
    "make faults PYTEST_ARGS=--write-faults": "by hand: it writes docs/faults.md",
    "make test-nightly": "every night",
    "make test-foreign": "every night",
    "make test-fast": "a part of `make test`",
    "make test-oldest": "before a release: it installs another set of clients",
    "make table": "before a release: it writes docs/compatibility.md",
    "python -m build": "`make test-wheel` builds the wheel by pip",
    ".venv/bin/pre-commit install": "by hand: it changes the checkout's hooks",
}
# what the pages call the servers that the tests start
POSTGRES = (
    "postgresql://user:password@localhost/db",
    "postgresql://user@localhost/db",
    "postgresql://user@localhost/app",
)
QDRANT = "qdrant://localhost:6333"

ROWS = [
    {"id": "1", "title": "Weather", "year": 2024, "body": "Rain in Beijing today"},
    {"id": "2", "title": "Weather", "year": 2019, "body": "Sun in Xi'an tomorrow"},
    {"id": "3", "title": "Food", "year": 2023, "body": "Bread needs flour and water"},
]
FOREIGN = """
import chromadb
notes = chromadb.PersistentClient("data").create_collection("notes", embedding_function=None)
notes.add(["n1", "n2"], [[1.0, 0.0], [0.0, 1.0]], documents=["x", "y"], metadatas=[{"n": 1}, {"n": 2}])
"""
COLLECTION = """
import vstore
with vstore.connect("{url}") as store:
    docs = store.create_collection("docs", dimension=3, metric="cosine")
    docs.add(["a", "b"], [[1.0, 0.0, 0.2], [0.1, 1.0, 0.0]], ["on retrieval", "on cooking"], [{{"year": 2024}}, {{}}])
"""
THEIRS = """
import pyarrow as pa, pyarrow.parquet as pq
vectors = pa.array([[1.0, 0.0], [0.0, 1.0]], pa.list_(pa.float32(), 2))
pq.write_table(pa.table({"key": ["a", "b"], "embedding": vectors, "text": ["x", "y"]}), "theirs.parquet")
"""
THEIRS_WITH_FIELDS = """
import pyarrow as pa, pyarrow.parquet as pq
images = pa.array([[1.0, 0.0], [0.0, 1.0]], pa.list_(pa.float32(), 2))
terms = pa.array(
    [{"indices": [3, 9], "values": [0.5, 1.0]}, {"indices": [4], "values": [2.0]}],
    pa.struct([("indices", pa.list_(pa.uint32())), ("values", pa.list_(pa.float32()))]),
)
pq.write_table(pa.table({"key": ["a", "b"], "text": ["x", "y"], "clip": images, "splade": terms}), "theirs.parquet")
"""
TABLES = """
create extension if not exists vector;
create table articles (number bigint primary key, embedding vector(2), body text, extra jsonb, author text);
insert into articles values (1, '[1,0]', 'x', '{"a": 1}', 'Ada'), (2, '[0,1]', 'y', '{"a": 2}', 'Bob');
create index on articles using hnsw (embedding vector_cosine_ops);
create table langchain_pg_collection (uuid uuid primary key, name varchar, cmetadata json);
create table langchain_pg_embedding (
    id varchar primary key, collection_id uuid references langchain_pg_collection, embedding vector, document varchar,
    cmetadata jsonb
);
insert into langchain_pg_collection values ('00000000-0000-0000-0000-000000000001', 'notes', null);
insert into langchain_pg_embedding values ('a', '00000000-0000-0000-0000-000000000001', '[1,0]', 'x', '{"a": 1}');
"""


@pytest.fixture(scope="module")
def reader(new_environment: Callable[[], Environment]) -> Environment:
    """The environment of who reads on, which the advice of errors makes grow."""
    return new_environment()


@pytest.fixture
def servers() -> Iterator[dict[str, str]]:
    """The URLs on the pages with those that they stand for here: of servers that hold nothing yet."""
    with postgres_server() as postgres, qdrant_double() as qdrant:
        yield {**dict.fromkeys(POSTGRES, postgres), QDRANT: qdrant.url}


class Page:
    """A reader in a directory of its own."""

    def __init__(self, reader: Environment, folder: Path, servers: dict[str, str]) -> None:
        self.reader, self.folder, self.servers = reader, folder, servers
        self.advised: list[str] = []

    def real(self, text: str) -> str:
        """The text with the servers of the tests in place of those on the page."""
        for shown, url in self.servers.items():
            text = text.replace(f"{shown}?", f"{url}?").replace(shown, url)
        return text

    def command(self, shown: str) -> str:
        """Runs a command of the table, and gives what it printed."""
        shortened = next((f" {options}" for start, options in SHORTENED.items() if shown.startswith(start)), "")
        done, followed = self.reader.following_advice(self.real(shown) + shortened, self.folder)
        self.advised += followed
        assert done.returncode == 0, f"{shown}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        for said in COMMANDS[shown]:
            assert said in done.stdout, f"{shown} does not say {said}:\n{done.stdout}"
        return done.stdout

    def program(self, code: str) -> str:
        """Runs a program of the page, or one that prepares it."""
        code = self.real(code)
        if re.search(r"^(async with|\S.*\bawait )", code, re.MULTILINE):
            code = f"async def main():\n{textwrap.indent(code, '    ')}\nimport asyncio\nasyncio.run(main())"
        given = "import vstore\nfrom vstore import F, embed\n" + code
        done, followed = self.reader.following_advice([str(self.reader.python), "-c", given], self.folder)
        self.advised += followed
        assert done.returncode == 0, f"{code}\n{done.stderr[-3000:]}"
        return done.stdout

    def files(self) -> None:
        """The files that the commands take."""
        (self.folder / "docs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))

    def items(self, shown: list[Item]) -> None:
        """Everything in its order."""
        for item in shown:
            if item.kind == "python":
                self.program(item.text)
            elif item.text in COMMANDS:
                self.command(item.text)


@pytest.fixture
def page(reader: Environment, servers: dict[str, str], tmp_path: Path) -> Page:
    made = Page(reader, tmp_path, servers)
    made.files()
    return made


def _names_only(command: str) -> bool:
    """Whether it is no more than the name of a command, or of its options, and what they take in capitals."""
    program, name, *options = command.split()
    known = {line.split()[1] for line in COMMANDS if line.startswith("vstore ")}
    return program == "vstore" and name in known and all(re.match(r"--|[A-Z=:]+$", option) for option in options)


@pytest.mark.parametrize("name", PAGES)
def test_every_command_of_a_page_is_known(name: str) -> None:
    """It is run here, or by the gate, or a table says why not."""
    gate = (ROOT / ".ci" / "run").read_text().splitlines()
    shown = [item.text for item in items(name) if item.kind == "console"] + in_prose(name)
    unknown = [
        command
        for command in shown
        if command not in COMMANDS
        and command not in ELSEWHERE
        and not _names_only(command)
        and not any(f"{line} ".startswith(f"{command} ") for line in gate)
    ]
    assert unknown == []


@pytest.mark.parametrize("name", PAGES)
def test_every_make_target_of_a_page_is_there(name: str) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = (ROOT / name).read_text()
    assert set(re.findall(r"`make ([\w-]+)|\$ make ([\w-]+)", text)) <= {(one, "") for one in targets} | {
        ("", one) for one in targets
    }


@pytest.mark.parametrize("name", PAGES)
def test_every_link_of_a_page_leads_to_a_file(name: str) -> None:
    assert [link for link in links(name) if not (ROOT / name).parent.joinpath(link).exists()] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_file_that_a_page_names_is_there(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:vstore|adapters|tests|tools|docs|docker|examples)/[\w/.-]+\.\w+)`", text))
    assert [path for path in sorted(named) if not (ROOT / path).is_file()] == []


def test_the_test_command_without_make_is_that_of_the_gate() -> None:
    shown = next(item.text for item in items("README.md") if ".[dev]" in item.text)
    _, _, command = shown.partition("-m pytest ")
    assert f"$(BIN)/python -m pytest {command}\n" in (ROOT / "Makefile").read_text()
    assert "\nmake test\n" in (ROOT / ".ci" / "run").read_text()


def test_readme(page: Page) -> None:
    shown = items("README.md")
    first = next(place for place, item in enumerate(shown) if item.kind == "python")
    page.items(shown[first : first + 1])
    page.program(FOREIGN)
    page.program(COLLECTION.format(url="postgresql://user:password@localhost/db"))
    page.reader.install("langchain")  # what an application on LangChain has
    page.items(shown[first + 1 :])
    for command in in_prose("README.md"):
        if command in COMMANDS:
            page.command(command)
    # chromadb needs typer and rich itself: the command asks for no "cli"
    extras = [
        "chroma",
        "pgvector",
        "bm25",
        "lexical",
        "conformance",
        "qdrant",
        "arrow",
        "pgvector-embedded",
        "demo",
    ]
    assert page.advised == extras


def test_the_errors_of_readme_read_as_shown(page: Page) -> None:
    page.reader.install("chroma", "pgvector-embedded")
    told = page.program("""
with vstore.connect("chroma:./data") as store:
    docs = store.create_collection("docs", dimension=384)
    try:
        docs.upsert([str(n) for n in range(18)], [[1.0] * 384] * 17 + [[1.0] * 3])
    except vstore.InvalidInput as error:
        print(error)
with vstore.connect("pgvector:./pg") as store:
    docs = store.create_collection("docs", dimension=2)
    docs.add(["a", "b"], [[1.0, 0.0]] * 2)
    try:
        docs.add(["a", "b"], [[1.0, 0.0]] * 2)
    except vstore.AlreadyExists as error:
        print(error)
""")
    assert told.splitlines() == errors_shown("README.md")


def test_embedding(page: Page) -> None:
    model = 'embed.openai("text-embedding-3-small", dimensions=512)'
    first, second, _, words, *commands = items("docs/embedding.md")
    assert model in first.text
    assert "or embed.lexical(512): no key, no network" in first.text
    assert "北京今天下大雨" in page.program(first.text.replace(model, "embed.lexical(512)"))
    page.reader.install("openai")
    page.program("import os; os.environ['DASHSCOPE_API_KEY'] = 'key'\nmade = " + second.text + "\nprint(made.name)")
    page.reader.install("bm25", "lexical")
    assert "a " in page.program("from vstore import embed\n" + words.text)
    page.reader.install("chroma")
    page.program(
        words.text.replace("memory:", "chroma:./data")
        .replace('"docs"', '"both"')
        .replace("北京今天下大雨", "Rain in Beijing")
    )
    page.program("store = vstore.connect('chroma:./data'); store.delete_collection('docs'); store.close()")
    page.items(commands)


def test_integrations(page: Page) -> None:
    page.reader.install("chroma", "langchain", "lexical")
    for item in items("docs/integrations.md"):
        assert "rain" in page.program(item.text)


def test_files(page: Page) -> None:
    page.program(COLLECTION.format(url="chroma:./data"))
    shown = items("docs/files.md")
    program = next(item for item in shown if item.kind == "python")
    page.reader.install("cli", "arrow")
    page.program(THEIRS)
    (page.folder / "docs.jsonl").unlink()  # the page makes its own
    for item in shown:
        if item.kind == "console":
            if "--all" in item.text:
                page.reader.run("rm -r dump", page.folder)
            if "--field" in item.text:
                page.program(THEIRS_WITH_FIELDS)
            page.command(item.text)
            if "--all" in item.text:
                page.reader.run("mv dump all; mv all/docs dump", page.folder)
    page.reader.run("rm -r dump", page.folder)
    page.program(program.text)


def test_adapters(new_environment: Callable[[], Environment], tmp_path: Path) -> None:
    """Whoever types in the guide has an adapter that conforms, and is told what is missing as the guide says."""
    reader = new_environment()
    reader.install("cli", "conformance")
    shown = files_shown("docs/adapters.md")
    for name, text in shown.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    reader.add(str(tmp_path))
    (folder := tmp_path / "elsewhere").mkdir()
    command = "vstore conform sqlite:./data.sqlite"
    done = reader.run(f"{command} {SHORTENED['vstore conform']}", folder)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout[-3000:]
    assert COMMANDS[command][0] in done.stdout
    missing = {
        "store.py": ("NotFound.of_collection(name)", 'NotFound("there is no such collection")', "ERR-2"),
        "filters.py": ("coalesce(document, '')", "document", "FLT-3"),
    }
    told = ""
    for name, (part, instead, clause) in missing.items():
        text = shown[f"vstore_sqlite/{name}"]
        assert part in text
        broken = folder / clause
        shutil.copytree(tmp_path / "vstore_sqlite", broken / "vstore_sqlite")
        (broken / "vstore_sqlite" / name).write_text(text.replace(part, instead))
        code = f"from vstore.conformance.run import run; print(run('sqlite::memory:', clauses=['{clause}'], mode='sync'"
        code += ", filters=200, sequences=0).to_markdown())"
        told += reader.python_code(code, broken, PYTHONPATH=".").stdout.replace("[sqlite::memory:-sync]", "")
    assert [line for line in errors_shown("docs/adapters.md") if line not in told] == []


def test_mapping(page: Page) -> None:
    with psycopg.connect(page.servers[POSTGRES[0]]) as connection:
        for name in ("articles", "langchain_pg_embedding", "langchain_pg_collection"):
            connection.execute(f"drop table if exists {name}")
        connection.execute(TABLES)
    page.items(items("docs/mapping.md"))
    assert vstore.RecordMapping.from_dict(json.loads((page.folder / "articles.json").read_text())["mapping"]).id == (
        "number",
    )


def test_migration(page: Page) -> None:
    page.program(COLLECTION.format(url="chroma:./data"))
    with vstore.connect(page.servers[POSTGRES[0]]) as store:
        store.delete_collection("docs", missing_ok=True)
    with vstore.connect(page.servers[QDRANT]) as store:
        store.delete_collection("docs", missing_ok=True)
    page.items(items("docs/migration.md"))
    (page.folder / "m.py").write_text(items("docs/migration.md")[-1].text)
    done = page.reader.run("vstore export chroma:./data short.jsonl --collection docs", page.folder)
    assert done.returncode == 0, done.stderr


def test_deployment(page: Page) -> None:
    lazy, lifespan, _, processes = (item.text for item in items("docs/deployment.md") if item.kind == "python")
    page.reader.install("pgvector")
    page.program(COLLECTION.format(url=POSTGRES[0]))
    told = page.program(f"{lazy}\nprint(store() is store(), store().list_collections())")
    assert told == "True ['docs']\n"
    driver = """
import asyncio, types
async def main():
    app = types.SimpleNamespace(state=types.SimpleNamespace())
    async with lifespan(app):
        print(await (await app.state.store.get_collection("docs")).count())
asyncio.run(main())
"""
    assert page.program(lifespan + driver) == "2\n"
    (page.folder / "processes.py").write_text(page.real(processes))
    done = page.reader.run("python processes.py", page.folder)
    assert (done.returncode, done.stdout) == (0, "[['a'], ['b']]\n"), done.stderr


def test_settings(page: Page) -> None:
    shown = re.search(r"```toml\n(.*?)```", (ROOT / "docs" / "settings.md").read_text(), re.DOTALL)
    assert shown is not None
    prod = 'url = "postgresql://reader@db.example/app"\npassword = "${PROD_PASSWORD}"\n'
    assert prod in shown[1]
    (page.folder / "vstore.toml").write_text(shown[1].replace(prod, f'url = "{page.servers[POSTGRES[0]]}"\n'))
    page.reader.install("cli", "chroma", "pgvector")
    page.program(COLLECTION.format(url="chroma:./data"))
    page.items(items("docs/settings.md"))


def test_observability(page: Page) -> None:
    page.items(items("docs/observability.md"))


CELERY = """
import os
from pathlib import Path
from celery import Celery

Path("queue").mkdir(exist_ok=True)
Path("results").mkdir(exist_ok=True)
app = Celery("tasks", broker="filesystem://", backend=f"file://{Path('results').resolve()}")
app.conf.broker_transport_options = {"data_folder_in": "queue", "data_folder_out": "queue", "polling_interval": 0.1}


@app.task
def nearest(vector):
    return store().get_collection("docs").query(vector=vector, k=1).ids, os.getpid()
"""
ASKING = """
from tasks import nearest
asked = [nearest.delay([1.0, 0.0, 0.2] if n % 2 else [0.1, 1.0, 0.0]) for n in range(40)]
found = [one.get(timeout=120) for one in asked]
print([ids for ids, _ in found] == [["a"] if n % 2 else ["b"] for n in range(40)], len({pid for _, pid in found}) > 1)
"""


@pytest.mark.nightly  # what forked workers do is tested for each store in every run
def test_celery_s_forked_workers_connect_for_themselves(page: Page) -> None:
    lazy, _, celery, _ = (item.text for item in items("docs/deployment.md") if item.kind == "python")
    page.reader.install("pgvector")
    page.reader.add("celery>=5.4,<6")
    with vstore.connect(page.servers[POSTGRES[0]]) as store:
        store.delete_collection("docs", missing_ok=True)
    page.program(COLLECTION.format(url=POSTGRES[0]))
    (page.folder / "tasks.py").write_text(page.real(lazy) + celery + CELERY)
    (page.folder / "asking.py").write_text(ASKING)
    worker = "celery -A tasks worker --pool prefork --concurrency 3 --loglevel warning > log 2>&1"
    done = page.reader.run(f"{worker} & python asking.py; kill $!; wait $!", page.folder)
    log = (page.folder / "log").read_text()
    assert done.stdout == "True True\n", done.stderr + log
    assert "Traceback" not in log


def test_help(page: Page) -> None:
    page.reader.install("demo", "arrow", "lexical", "conformance")
    listed = page.reader.run("vstore --help", page.folder).stdout
    commands = re.findall(r"^\W+(\w+)  ", listed.partition("Commands")[2], re.MULTILINE)
    assert {"demo", "inspect", "copy", "verify", "export", "import", "query", "load", "conform"} <= set(commands)
    examples = {}
    for command in commands:
        help_text = page.reader.run(f"vstore {command} --help", page.folder, COLUMNS="400").stdout
        examples[command] = examples_of(re.sub(r" *│ *$", "", help_text, flags=re.MULTILINE))
        assert len(examples[command]) == 1, f"vstore {command} --help shows no example"
    shown = [one for (one,) in examples.values()]
    assert [one for one in shown if one not in COMMANDS] == []
    page.program(THEIRS)
    for command in ("load", "inspect", "query", "copy", "export", "demo"):  # conform: test_conform.py
        page.command(examples[command][0])
    copied = page.reader.run("vstore copy chroma:./data pgvector:./pg --collection docs", page.folder)
    assert copied.returncode == 0, copied.stderr
    for command in ("verify", "import"):
        page.command(examples[command][0])


# tests/examples compares the tours of all stores in every run
EMBEDDED = ["milvus:./data.db", "qdrant:./data", "pgvector:./data"]


@pytest.mark.parametrize(
    "url", ["memory:", "chroma:./data", *(pytest.param(url, marks=pytest.mark.nightly) for url in EMBEDDED)]
)
def test_the_tour(url: str, page: Page) -> None:
    page.reader.install("demo", "lexical")
    tour = ROOT / "examples" / "tour.py"
    assert f"python examples/tour.py {url}" in of_file(tour)
    done = page.reader.run(f"python {tour} {url}", page.folder)
    assert done.returncode == 0, done.stderr
    assert "zh-rain" in done.stdout
