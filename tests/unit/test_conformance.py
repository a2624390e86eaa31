"""The suite itself: complete against the contract, its reports, its table, its shrinking, its manners as a plugin."""

from __future__ import annotations

import ast
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import vstore
from tools.clauses import contract
from vstore import F
from vstore.conformance import corpus, generate, session
from vstore.conformance.checks import matching
from vstore.conformance.clauses import CLAUSES
from vstore.conformance.report import Report
from vstore.conformance.table import table
from vstore.filters import Filter, to_dict
from vstore.memory.store import CAPABILITIES

ROOT = Path(__file__).parents[2]
SUITE = ROOT / "vstore" / "conformance"


def marked() -> dict[str, set[str]]:
    """Every test of the suite with the clauses it carries."""
    found: dict[str, set[str]] = {}
    for path in SUITE.glob("test_*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                assert node.name not in found, f"two tests are called {node.name}"
                found[node.name] = {
                    ast.literal_eval(argument)
                    for mark in node.decorator_list
                    if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == "clause"
                    for argument in mark.args
                }
    return found


def test_the_clauses_have_the_words_of_the_contract() -> None:
    assert list(contract().items()) == list(CLAUSES.items())


def test_every_clause_has_a_test_and_every_test_a_clause() -> None:
    tests = marked()
    assert [name for name, clauses in tests.items() if not clauses] == []
    assert set().union(*tests.values()) == set(CLAUSES)


def test_this_projects_run_takes_in_every_file_of_the_suite() -> None:
    here = {path.name for path in (ROOT / "tests" / "conformance").glob("test_*.py")}
    assert here == {path.name for path in SUITE.glob("test_*.py")}


def test_importing_the_plugin_brings_no_client_and_no_generator() -> None:
    heavy = "('hypothesis', 'chromadb', 'psycopg', 'asyncio')"
    script = f"import sys, vstore.conformance.plugin; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("family", generate.FAMILIES)
def test_every_case_of_the_table_can_fail(family: str) -> None:
    records = corpus.records(CAPABILITIES)
    cases = generate.table(family, CAPABILITIES)
    telling = sum(0 < len(matching(case, records)) < len(records) for case in cases)
    assert telling >= 0.6 * len(cases), "most cases must tell some records from others without help"


def test_the_corpus_is_legal_and_holds_every_kind() -> None:
    records = corpus.records(CAPABILITIES)
    assert len(records) >= 300
    with vstore.connect("memory:") as store:
        assert corpus.load(store).count() == len(records)


def test_random_filters_are_repeatable_and_varied() -> None:
    first, second = (
        [to_dict(generate.random_filter(random.Random(n), CAPABILITIES)) for n in range(200)] for _ in range(2)
    )
    assert first == second
    text = repr(first)
    operators = (
        "$eq",
        "$ne",
        "$in",
        "$nin",
        "$lt",
        "$lte",
        "$gt",
        "$gte",
        "$has",
        "$contains_any",
        "$contains_all",
    )
    for name in (*operators, "$exists", "$and", "$or", "$not", "$document", "$matches"):
        assert f"'{name}'" in text, name


def test_shrinking_ends_at_the_culprit() -> None:
    culprit = F("a") == 1

    def fails(where: Filter) -> bool:
        return "'a': {'$eq': 1}" in repr(to_dict(where))

    where: Filter = ~((F("b") == 2) & (culprit | F("c").in_([1, 2, 3]))) | F("d").exists()
    while (least := next((one for one in generate.smaller(where) if fails(one)), None)) is not None:
        where = least
    assert where == culprit


def a_report(**changes: object) -> Report:
    report = Report(url="memory:", mode="sync")
    report.describe(CAPABILITIES)
    report.count("test_x", ["ID-1", "ID-2"], "passed", "")
    report.count("test_y", ["META-4"], "no", "")
    return report


def test_a_report_reads_back_and_counts() -> None:
    report = a_report()
    assert Report.from_json(report.to_json()) == report
    assert report.passed
    assert (report.clauses["ID-2"].passed, report.clauses["META-4"].no) == (1, 1)
    report.count("test_z", ["ID-1"], "failed", "it broke")
    assert not report.passed
    page = report.to_markdown()
    assert "1 tests failed" in page
    assert "it broke" in page
    assert not Report(url="memory:", mode="sync").passed, "a run without tests proves nothing"


def test_the_table_shares_footnotes_and_refuses_failed_runs() -> None:
    report = a_report()
    other = replace(a_report(), url="qdrant::memory:", backend="qdrant", reached="embedded")
    text = table([report, other])
    assert "| | memory (memory) | qdrant (in memory) |" in text
    assert text.count("every collection here was made by vstore") == 1
    assert "| `mapping` | NO[^" in text
    assert "| `exact_query` | NATIVE | NATIVE |" in text
    report.count("test_z", ["ID-1"], "failed", "it broke")
    with pytest.raises(ValueError, match="did not pass"):
        table([report])


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("memory:", "memory:"),
        ("chroma:./a b", "chroma:./a b"),
        (
            "postgresql://me:geheim@db.example:5433/data?pool_size=3",
            "postgresql://me:***@db.example:5433/data?pool_size=3",
        ),
        ("chroma+https://db.example:8000?token=geheim", "chroma+https://db.example:8000?token=***"),
    ],
)
def test_a_url_is_shown_without_secrets(url: str, shown: str) -> None:
    assert session.shown(url) == shown
    assert "geheim" not in repr(session.Target("x", url))
