"""A stranger's adapter comes through the entry point and passes the suite; each broken promise is caught."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import vstore
from vstore.conformance.clauses import CLAUSES
from vstore.conformance.run import run
from vstore.core.registry import schemes

FAULTS = {
    "drops_a_clause": "FLT-3",
    "negation_skips_missing": "FLT-3",
    "true_is_one": "FLT-4",
    "large_ints_are_floats": "FLT-5",
    "ignores_case": "FLT-10",
    "native_but_refused": "CAP-2",
    "no_but_works": "CAP-2",
    "score_flipped": "MET-2",
    "squared_distance": "MET-1",
    "ties_unordered": "QRY-2",
    "one_too_few": "QRY-1",
    "filters_afterwards": "QRY-4",
    "includes_everything": "INC-1",
    "floats_become_ints": "META-2",
    "normalised_vectors": "VEC-3",
    "add_overwrites": "ADD-1",
    "add_writes_the_others": "ADD-1",
    "upsert_merges": "UPS-1",
    "update_creates": "UPD-2",
    "delete_of_missing_wipes": "DEL-1",
    "loses_the_last_row": "WR-2",
    "mutates_vectors": "WR-3",
    "mutates_metadata": "WR-3",
    "keeps_the_callers_array": "WR-3",
    "offset_scan": "SCAN-1",
    "cursor_is_an_offset": "SCAN-2",
    "deletes_the_first": "WR-2",
    "forgets_the_index": "QRY-3",
    "follows_the_name": "COL-3",
    "stale_handles": "WR-1",
    "torn_upsert": "CON-1",
    "leaks_key_errors": "ERR-1",
    "forgets_the_metric": "COL-2",
    "takes_names_for_paths": "COL-1",
    "keeps_a_cancelled_lock": "CON-2",
    "blocks_the_loop": "CON-2",
    "forgets_field_metrics": "FLD-1",
    "absent_is_zero": "FLD-2",
    "keeps_what_is_removed": "FLD-2",
    "drops_large_indices": "SPV-1",
    "half_precision": "SPV-2",
    "sparse_in_float32": "SPV-3",
    "hits_without_a_shared_index": "SPV-3",
    "cuts_before_the_filter": "HYB-1",
    "loses_a_leg": "HYB-2",
    "sparse_ties_unordered": "HYB-2",
    "normalised_legs": "HYB-3",
    "approximate_legs": "HYB-4",
    "documents_of_other_hits": "HYB-5",
    "vectors_of_others": "QRY-7",
    "large_ints_are_read_as_floats": "SCAN-4",
    "answers_by_id": "SCAN-4",
}


def _pytest(installed: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The suite as a user runs it, in another process."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "vstore.conformance"]
    environment = {**os.environ, "PYTHONPATH": installed}
    return subprocess.run([*command, *arguments], capture_output=True, text=True, env=environment, check=False)


def test_the_entry_point_is_found() -> None:
    assert "sqlite" in schemes()
    with vstore.connect("sqlite::memory:") as store:
        assert store.capabilities.backend == "sqlite"
        with pytest.raises(vstore.Unsupported):
            store.create_collection("abc", dimension=2, index=vstore.HNSW())


def test_a_broken_adapter_does_not_stand_in_the_way_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("aaa", "vstore_nowhere:adapter"), ("bbb", "vstore_faulty:nothing")):
        info = tmp_path / f"vstore_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vstore-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[vstore.adapters]\n{name} = {value}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert {"aaa", "bbb"} <= set(schemes())
    with vstore.connect("chroma::memory:") as store, vstore.connect(client=store.native) as other:
        assert other.capabilities.backend == "chroma"
    with pytest.raises(vstore.InvalidInput, match="no installed adapter") as caught:
        vstore.connect(client=object())
    assert "vstore_nowhere:adapter" in str(caught.value)
    assert "vstore_faulty:nothing" in str(caught.value)


def test_the_suite_passes_as_a_user_runs_it(installed: str, tmp_path: Path) -> None:
    small = ("--vstore-filters=300", "--vstore-sequences=20", f"--vstore-report={tmp_path}")
    done = _pytest(installed, f"--vstore-url=sqlite:{tmp_path}/data.sqlite", *small)
    assert done.returncode == 0, done.stdout[-3000:]
    (written,) = tmp_path.glob("*.json")
    report = json.loads(written.read_text())
    assert report["backend"] == "sqlite"
    assert set(report["clauses"]) == set(CLAUSES)
    untested = [name for name, result in report["clauses"].items() if not result["passed"] + result["no"]]
    assert untested == []
    assert report["clauses"]["FLT-9"]["no"] > 0, "what is declared NO must be told apart"


@pytest.mark.parametrize("reported", [False, True])
def test_without_a_store_it_says_what_to_pass(installed: str, reported: bool, tmp_path: Path) -> None:
    done = _pytest(installed, *(["--vstore-report", str(tmp_path)] if reported else []))
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--vstore-url" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_promise_is_caught(fault: str) -> None:
    clause = FAULTS[fault]
    url = f"faulty:?fault={fault}"
    report = run(url, filters=60, sequences=0, mode="sync", clauses=[clause])
    assert report.trouble == ""
    assert report.clauses[clause].failed > 0, f"{fault} went unseen by {clause}"
    assert not report.passed
    assert clause in report.to_markdown()


def test_the_faults_are_those_of_the_package() -> None:
    from vstore_faulty.faults import FAULTS as THERE

    assert {name: clause for name, (_, clause) in THERE.items()} == FAULTS


def test_generated_sequences_alone_catch_a_fault_and_print_the_least_calls() -> None:
    report = run("faulty:?fault=upsert_merges", filters=0, sequences=60, mode="sync", clauses=["COL-5"])
    texts = [failure.text for failure in report.failures]
    calls = [
        re.findall(r"^ +(add|upsert|update|delete|clear|get|count|scan|query|rename)\(", text, re.M) for text in texts
    ]
    assert any("upsert" in found and len(found) <= 3 for found in calls), texts


def test_generated_filters_alone_catch_a_fault_and_print_the_least_filter() -> None:
    report = run("faulty:?fault=negation_skips_missing", filters=300, sequences=0, mode="sync", clauses=["FLT-6"])
    texts = [failure.text for failure in report.failures if "generated" in failure.test]
    assert len(texts) == 1
    assert "$ne" in texts[0]
    assert len(texts[0]) < 1500


def test_a_store_that_cannot_be_reached_is_said_once() -> None:
    with pytest.raises(vstore.InvalidInput):
        run("sqlite::memory:?no_such_option=1")
    with pytest.raises(vstore.VStoreError):
        run("chroma://127.0.0.1:1")


def test_progress_is_told() -> None:
    seen: list[tuple[int, int, str, str]] = []
    report = run("sqlite::memory:", mode="sync", clauses=["ID-2"], on_progress=lambda *step: seen.append(step))
    assert report.passed
    assert [step[:2] for step in seen] == [(1, 1)]
    assert seen[0][3] == "passed"
