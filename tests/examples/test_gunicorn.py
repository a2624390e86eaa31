"""``examples/gunicorn_app.py`` under a real gunicorn: each worker answers rightly, and the wrong way is told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vstore
from tests.running import running
from tests.servers import free_port

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
NUMBER = 16
SERVERS = ["postgresql server", "chroma server"]


@pytest.fixture(scope="module", params=SERVERS)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with one record for each direction, so that each question has one right answer."""
    with running(request.param, tmp_path_factory.mktemp("data")) as url:
        with vstore.connect(url) as store:
            docs = store.create_collection("docs", dimension=NUMBER, metric="cosine")
            docs.add([f"r{n}" for n in range(NUMBER)], np.eye(NUMBER), [f"document {n}" for n in range(NUMBER)])
        yield url


@contextmanager
def gunicorn(app: str, url: str, folder: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server of three workers; yields where it answers, and its master."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", f"--bind=127.0.0.1:{port}", "--workers=3", "--threads=4", *options]
    paths = [str(EXAMPLES), str(HERE)]
    environment = {
        **os.environ,
        "VSTORE_URL": url,
        "VSTORE_COLLECTION": "docs",
        "PYTHONPATH": os.pathsep.join(paths),
        "MASTER_SAYS": str(folder / "master"),
    }
    control = ["--no-control-socket", "--worker-tmp-dir", str(folder), "--error-logfile", str(folder / "log")]
    with (folder / "output").open("wb") as output:
        master = subprocess.Popen([*command, *control, app], cwd=folder, env=environment, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 60
        while b"Booting worker" not in _read(folder / "log") or not _listens(port):
            assert master.poll() is None, _read(folder / "log") + _read(folder / "output")
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/", master
    finally:
        if master.poll() is None:
            master.terminate()
        assert master.wait(60) == 0, "gunicorn ends by itself, and all its workers do"
    log = (_read(folder / "log") + _read(folder / "output")).decode()
    assert "Traceback" not in log, log
    assert "SIGKILL" not in log, log


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _listens(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def ask(address: str, place: int) -> tuple[int, dict[str, Any]]:
    """One question, whose only right answer is the record at ``place``."""
    vector = ",".join("1" if n == place else "0" for n in range(NUMBER))
    try:
        with urllib.request.urlopen(f"{address}?vector={vector}&k=1", timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.parametrize("options", [["--preload"], []], ids=["preload", "no preload"])
def test_every_answer_of_every_worker_is_right(options: list[str], url: str, tmp_path: Path) -> None:
    with gunicorn("gunicorn_app:app", url, tmp_path, *options) as (address, _), ThreadPoolExecutor(12) as threads:
        places = [n % NUMBER for n in range(240)]
        answers = list(threads.map(lambda place: ask(address, place), places))
    assert {status for status, _ in answers} == {200}
    assert [[hit["id"] for hit in data["hits"]] for _, data in answers] == [[f"r{place}"] for place in places]
    assert [data["hits"][0]["document"] for _, data in answers] == [f"document {place}" for place in places]
    assert len({data["worker"] for _, data in answers}) > 1


def test_a_store_of_the_master_is_closed_to_the_workers_and_goes_on_in_the_master(url: str, tmp_path: Path) -> None:
    config = tmp_path / "config.py"
    config.write_text("def on_reload(server):\n    import preloaded\n    preloaded.reload_seen(server)\n")
    with gunicorn("preloaded:app", url, tmp_path, "--preload", f"--config={config}") as (address, master):
        with ThreadPoolExecutor(12) as threads:
            answers = list(threads.map(lambda place: ask(address, place), range(NUMBER)))
        assert {status for status, _ in answers} == {503}
        for _, data in answers:
            assert f"process {master.pid}" in data["error"]
            assert "connect again in this process" in data["error"].lower()
            assert not data["retryable"]
        master.send_signal(signal.SIGHUP)  # new workers take the place of the old ones, which end
        deadline = time.monotonic() + 60
        while not (tmp_path / "master").exists():
            assert time.monotonic() < deadline, _read(tmp_path / "log").decode()
            time.sleep(0.1)
        time.sleep(1)
        (tmp_path / "master").unlink()
        master.send_signal(signal.SIGHUP)
        while not (tmp_path / "master").exists() or not _read(tmp_path / "master"):
            assert time.monotonic() < deadline, _read(tmp_path / "log").decode()
            time.sleep(0.1)
        assert (tmp_path / "master").read_text() == f"{NUMBER} ['r0']"


def test_what_was_asked_wrongly_is_told(url: str, tmp_path: Path) -> None:
    with gunicorn("gunicorn_app:app", url, tmp_path, "--preload") as (address, _):
        for query in ("", "?k=3", "?vector=a", "?vector=1,2", f"?vector={','.join('1' * NUMBER)}&k=0"):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(f"{address}{query}", timeout=60)
            assert caught.value.code == 400
            assert json.load(caught.value)["error"]
