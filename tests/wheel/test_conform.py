"""``vstore conform`` as a user runs it: from the wheel, to its end, whatever lies in the working directory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.plugin.conftest import SITE, write_metadata
from tests.wheel.environments import Environment
from vstore.conformance.clauses import CLAUSES

pytestmark = pytest.mark.timeout(2700)
SHORT = "--filters 5 --sequences 2 --mode sync"
STORES = {
    "memory:": [],
    "chroma:./data": ["chroma"],
    "milvus:./data.db": ["milvus-embedded"],
    "pgvector:./data": ["pgvector-embedded"],
    "qdrant:./data": ["qdrant-embedded"],
}
NONSENSE = "[pytest]\naddopts = --no-such-option\npython_files = *.py\n"
SURROUNDINGS = {
    "conftest.py": "raise SystemExit('the conftest.py of the working directory was loaded')\n",
    "test_theirs.py": "def test_theirs(): assert False\n",
    "pytest.ini": NONSENSE,
    "tox.ini": NONSENSE,
    "setup.cfg": NONSENSE.replace("[pytest]", "[tool:pytest]"),
    "pyproject.toml": '[tool.pytest.ini_options]\naddopts = "--no-such-option"\nfilterwarnings = ["error"]\n',
    "vstore.py": "raise SystemExit('a vstore.py of the working directory was loaded')\n",
    "json.py": "raise SystemExit('a json.py of the working directory was loaded')\n",
    "pytest_timeout.py": "raise SystemExit('a pytest_timeout.py of the working directory was loaded')\n",
}
VARIABLES = {
    "PYTEST_ADDOPTS": "--no-such-option",
    "PYTEST_PLUGINS": "no_such_plugin",
    "PYTEST_TIMEOUT": "0.001",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
}


# On these two the suite takes three minutes of a processor, and `make test` runs it on both. From the wheel the whole
# of it runs every night, and every day what writes, reads back, scans, groups, is shared by threads, and closes.
LONG = ["chroma:./data", "milvus:./data.db"]
EVERY_DAY = [
    *("ID-1", "META-1", "ADD-1", "UPD-1", "DEL-2", "GET-1", "SCAN-2", "QRY-6", "FLT-7", "FLT-8"),
    *("COL-1", "COL-3", "COL-4", "COL-6", "ERR-1", "CON-1", "CON-2"),
]
PART = f"""
import vstore
from vstore.conformance.run import run
report = run({{url!r}}, filters=5, sequences=2, mode="sync", clauses={EVERY_DAY})
assert report.passed, report.to_markdown()
print(sorted(name for name in {EVERY_DAY} if not report.clauses[name].passed))
"""


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(url, marks=[pytest.mark.xdist_group(url), *([pytest.mark.nightly] if url in LONG else [])])
        for url in STORES
    ],
)
def test_who_follows_the_advice_sees_every_embedded_store_conform(
    url: str, new_environment: Callable[[], Environment], tmp_path: Path
) -> None:
    environment = new_environment()
    program = [str(environment.python), "-c", f"import vstore; vstore.connect({url!r}).close()"]
    done, followed = environment.following_advice(program, tmp_path)
    assert (done.returncode, done.stdout, followed) == (0, "", STORES[url]), done.stderr
    done, followed = environment.following_advice(f"vstore conform {url} {SHORT} --report report.json", tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout[-3000:]
    # chromadb needs typer and rich itself
    assert followed == (["conformance"] if url.startswith("chroma") else ["cli", "conformance"])
    assert "It conforms" in done.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert set(report["clauses"]) == set(CLAUSES)
    assert [name for name, counted in report["clauses"].items() if not counted["passed"] + counted["no"]] == []
    done = environment.run("python -m vstore.conformance.table report.json", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "| clauses passed |" in done.stdout
    database = {url.rpartition("/")[2]} - {"memory:"}
    assert {path.name for path in tmp_path.iterdir()} == {"report.json"} | database


@pytest.mark.parametrize("url", [pytest.param(url, marks=pytest.mark.xdist_group(url)) for url in LONG])
def test_who_follows_the_advice_sees_a_part_of_the_suite_pass(
    url: str, new_environment: Callable[[], Environment], tmp_path: Path
) -> None:
    environment = new_environment()
    program = [str(environment.python), "-P", "-c", PART.format(url=url)]
    done, followed = environment.following_advice(program, tmp_path)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr[-3000:]
    assert sorted(followed) == sorted([*STORES[url], "conformance"])


@pytest.fixture(scope="module")
def suite(new_environment: Callable[[], Environment]) -> Iterator[Environment]:
    """An environment with the suite and third-party adapters: one that keeps its promises, and one that breaks any."""
    environment = new_environment()
    environment.install("cli", "conformance")
    done = environment.python_code("import sysconfig; print(sysconfig.get_path('purelib'))", environment.folder)
    packages = Path(done.stdout.strip())
    shutil.copytree(SITE, packages, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    write_metadata(packages)
    return environment


@pytest.mark.xdist_group("memory:")
def test_nothing_of_the_surroundings_takes_part(suite: Environment, tmp_path: Path) -> None:
    for name, text in SURROUNDINGS.items():
        (tmp_path / name).write_text(text)
    done = suite.run(f"vstore conform sqlite::memory: {SHORT}", tmp_path, **VARIABLES)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout[-3000:]
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == SURROUNDINGS


@pytest.mark.xdist_group("memory:")
def test_a_broken_promise_ends_with_1_and_is_named(suite: Environment, tmp_path: Path) -> None:
    done = suite.run(f"vstore conform 'faulty:?fault=upsert_merges' {SHORT} --report report.json", tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert "tests failed" in done.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["clauses"]["UPS-1"]["failed"] > 0
    assert report["trouble"] == ""


@pytest.mark.xdist_group("memory:")
@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("vstore conform nonsense", 2, "not a store URL"),
        ("vstore conform chroma://127.0.0.1:1", 2, "pip install 'vstore-db[chroma]'"),
        ("vstore conform sqlite::memory:?colour=red", 2, "unknown option"),
        (f"PYTHONOPTIMIZE=1 vstore conform 'faulty:?fault=upsert_merges' {SHORT}", 2, "without -O"),
        (f"vstore conform memory: {SHORT} --report nowhere/report.json", 2, "nowhere"),
        (f"vstore conform memory: {SHORT} --report .", 2, "is a directory"),
        ("pytest --pyargs vstore.conformance", 4, "--vstore-url"),
        ("python -O -m pytest --pyargs vstore.conformance --vstore-url memory:", 4, "without -O"),
    ],
)
def test_what_cannot_run_says_why_at_once(
    command: str, code: int, said: str, suite: Environment, tmp_path: Path
) -> None:
    done = suite.run(command, tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert said in done.stderr
    assert "0/?" not in done.stderr + done.stdout, "no progress of what does not begin"


@pytest.mark.xdist_group("memory:")
def test_the_suite_runs_under_pytest_too(suite: Environment, tmp_path: Path) -> None:
    command = "pytest --pyargs vstore.conformance -p no:cacheprovider --vstore-mode async --vstore-filters 5"
    done = suite.run(f"{command} --vstore-sequences 2 --vstore-url memory: --vstore-report reports", tmp_path)
    assert done.returncode == 0, done.stdout[-3000:]
    assert [path.suffix for path in (tmp_path / "reports").iterdir()] == [".json"]
