"""The cache on disk: no text is embedded twice, by threads, tasks or the next process."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.embedding_server import EmbeddingServer, vector
from tests.forked import in_child
from vstore import BackendError, InvalidInput, embed
from vstore.embed.functions import FunctionEmbedder

TEXTS = [f"text {number}" for number in range(30)]


class Model:
    """Counts what it embeds."""

    def __init__(self, dimension: int = 8) -> None:
        self.asked: Counter[str] = Counter()
        self.dimension = dimension
        self.before: Callable[[list[str]], object] = lambda _: None

    def __call__(self, texts: list[str]) -> Any:
        self.before(texts)
        self.asked.update(texts)
        return [vector(text, self.dimension) for text in texts]

    def embedder(self, name: str = "model") -> FunctionEmbedder:
        return embed.function(self, name=name, dimension=self.dimension)


def test_what_is_in_the_file_is_not_embedded_again(tmp_path: Path) -> None:
    model, told = Model(), list[int]()
    made = embed.cached(model.embedder(), tmp_path / "new" / "cache.db", chunk=4, on_progress=told.append)
    first = made.embed(TEXTS[:10] + TEXTS[:3])
    assert told == [4, 4, 2]
    second = made.embed(TEXTS[5:15])
    assert told == [4, 4, 2, 4, 1]
    made.close()
    again = embed.cached(model.embedder(), tmp_path / "new" / "cache.db").embed(TEXTS[:15])
    assert model.asked == Counter(TEXTS[:15])
    for array, texts in ((first, TEXTS[:10] + TEXTS[:3]), (second, TEXTS[5:15]), (again, TEXTS[:15])):
        np.testing.assert_array_equal(array, np.array([vector(text) for text in texts], dtype=np.float32))
    assert made.embed([]).shape == (0, 8)


def test_models_and_sides_are_kept_apart(tmp_path: Path) -> None:
    one, two, shorter = Model(), Model(), Model(4)
    asked: list[str] = []
    both = embed.function(
        one, name="one", dimension=8, queries=lambda texts: asked.extend(texts) or [vector("q" + t) for t in texts]
    )
    for _ in range(2):
        made = embed.cached(both, tmp_path / "cache.db")
        assert made.embed(["a"])[0].tolist() == pytest.approx(vector("a"))
        assert made.queries.embed(["a"])[0].tolist() == pytest.approx(vector("qa"))
        embed.cached(two.embedder("two"), tmp_path / "cache.db").embed(["a"])
        assert embed.cached(shorter.embedder("one"), tmp_path / "cache.db").embed(["a"]).shape == (1, 4)
    assert (one.asked, two.asked, asked, shorter.asked) == ({"a": 1}, {"a": 1}, ["a"], {"a": 1})


@pytest.mark.parametrize("mode", ["threads", "tasks"])
def test_calls_that_want_the_same_text_at_once_embed_it_once(tmp_path: Path, mode: str) -> None:
    model, go = Model(), threading.Event()
    first_asked = threading.Event()
    model.before = lambda _: (first_asked.set(), go.wait(120))
    made = embed.cached(model.embedder(), tmp_path / "cache.db")
    found: list[Any] = [None] * 4

    def call(number: int) -> None:
        found[number] = made.embed(TEXTS[number : number + 10])

    async def main() -> None:
        tasks = [asyncio.create_task(made.embed_async(TEXTS[number : number + 10])) for number in range(4)]
        await asyncio.to_thread(first_asked.wait, 120)
        go.set()
        found[:] = await asyncio.gather(*tasks)

    if mode == "threads":
        threads = [threading.Thread(target=call, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        first_asked.wait(120)
        go.set()
        for thread in threads:
            thread.join()
    else:
        asyncio.run(main())
    assert model.asked == Counter(TEXTS[:13])
    for number, array in enumerate(found):
        expected = np.array([vector(text) for text in TEXTS[number : number + 10]], dtype=np.float32)
        np.testing.assert_array_equal(array, expected)


def test_who_waits_for_a_call_that_fails_asks_itself(tmp_path: Path) -> None:
    model = Model()
    waiting, fail = threading.Event(), threading.Event()

    def before(texts: list[str]) -> None:
        if "bad" in texts:
            waiting.set()
            fail.wait(120)
            raise ValueError("bad")

    model.before = before
    made = embed.cached(model.embedder(), tmp_path / "cache.db")
    failed: list[BaseException] = []

    def first() -> None:
        try:
            made.embed(["good", "bad"])
        except BackendError as error:
            failed.append(error)

    results: list[Any] = []
    one = threading.Thread(target=first)
    one.start()
    waiting.wait(120)
    two = threading.Thread(target=lambda: results.append(made.embed(["good"])))
    two.start()
    fail.set()
    one.join()
    two.join()
    assert len(failed) == 1
    assert model.asked == {"good": 1}
    assert results[0].shape == (1, 8)


def test_a_call_that_is_given_up_leaves_the_others_alone(tmp_path: Path) -> None:
    model, go, asked = Model(), threading.Event(), threading.Event()
    model.before = lambda _: (asked.set(), go.wait(120))
    made = embed.cached(model.embedder(), tmp_path / "cache.db")

    async def main() -> Any:
        first = asyncio.create_task(made.embed_async(["a"]))
        await asyncio.to_thread(asked.wait, 120)
        second, third = (asyncio.create_task(made.embed_async(["a"])) for _ in range(2))
        await asyncio.sleep(0)  # both run until they wait for the first
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        go.set()
        return await first, await third

    for array in asyncio.run(main()):
        assert array[0].tolist() == pytest.approx(vector("a"))
    assert model.asked == {"a": 1}


def test_what_was_embedded_before_a_failure_stays(tmp_path: Path, server: EmbeddingServer) -> None:
    inner = embed.openai("m", dimension=8, base_url=server.url, api_key="none", batch_size=5, concurrency=1, retries=0)
    made = embed.cached(inner, tmp_path / "cache.db")
    with pytest.raises(InvalidInput):
        made.embed([*TEXTS[:12], "BAD"])
    made.embed(TEXTS[:12])
    assert server.answered == Counter(TEXTS[:12])


PROGRAM = """
import sys
from vstore import embed
inner = embed.openai("m", dimension=8, base_url=sys.argv[1], api_key="none", batch_size=5, concurrency=1)
embed.cached(inner, sys.argv[2]).embed([f"text {n}" for n in range(int(sys.argv[3]), int(sys.argv[4]))])
"""


def test_processes_share_a_file(tmp_path: Path, server: EmbeddingServer) -> None:
    path = str(tmp_path / "cache.db")
    ranges = [("0", "15"), ("15", "30")]
    running = [subprocess.Popen([sys.executable, "-c", PROGRAM, server.url, path, *range_]) for range_ in ranges]
    assert [process.wait(300) for process in running] == [0, 0]
    subprocess.run([sys.executable, "-c", PROGRAM, server.url, path, "0", "30"], check=True)
    assert server.answered == Counter(f"text {n}" for n in range(30))


def test_a_process_that_dies_has_kept_every_chunk(tmp_path: Path, server: EmbeddingServer) -> None:
    path = str(tmp_path / "cache.db")
    running: list[subprocess.Popen[bytes]] = []

    def kill(texts: list[str]) -> None:
        if "text 20" in texts and running:
            running.pop().kill()
            raise ConnectionAbortedError("the one that asked is dead, so it is not answered")

    server.before_answer = kill
    arguments = [sys.executable, "-c", PROGRAM, server.url, path, "0", "30"]
    process = subprocess.Popen(arguments)
    running.append(process)
    assert process.wait(300) == -9
    subprocess.run(arguments, check=True)
    assert server.answered == Counter(TEXTS)


def test_a_file_that_is_no_cache_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache.db").write_text("no database, but a text that is long enough to be taken for one" * 99)
    with pytest.raises(BackendError, match="cannot be used"):
        embed.cached(Model().embedder(), tmp_path / "cache.db")
    with pytest.raises(InvalidInput):
        embed.cached(Model().embedder(), tmp_path / "other.db", chunk=0)
    with pytest.raises(InvalidInput):
        embed.cached(object(), tmp_path / "other.db")  # type: ignore[arg-type]


def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    from vstore.embed.cachefile import CacheFile

    file = CacheFile(tmp_path / "v.sqlite")
    file._own.get()[1].execute("pragma max_page_count = 8")
    with pytest.raises(BackendError, match="disk is full"):
        file.save("m", [bytes([n]) * 32 for n in range(99)], np.zeros((99, 512), np.float32))
    file.close()


def test_the_file_is_the_owners_alone_and_never_behind_a_link(tmp_path: Path) -> None:
    model = Model()
    embed.cached(model.embedder(), tmp_path / "cache.db").embed(["a"])
    assert stat.S_IMODE((tmp_path / "cache.db").stat().st_mode) == 0o600
    (tmp_path / "precious").write_text("")
    (tmp_path / "link.db").symlink_to(tmp_path / "precious")
    with pytest.raises(InvalidInput, match="symbolic link"):
        embed.cached(model.embedder(), tmp_path / "link.db")
    assert (tmp_path / "precious").read_text() == ""


def test_a_forked_child_has_a_connection_of_its_own(tmp_path: Path) -> None:
    model = Model()
    made = embed.cached(model.embedder(), tmp_path / "cache.db", chunk=4)
    made.embed(TEXTS[:10])

    def child() -> list[str]:
        model.asked.clear()
        made.embed(TEXTS[:20])
        return sorted(model.asked)

    assert in_child(child) == sorted(TEXTS[10:20])
    model.asked.clear()
    made.embed(TEXTS)
    assert sorted(model.asked) == sorted(TEXTS[20:])
    with sqlite3.connect(tmp_path / "cache.db") as database:
        assert database.execute("pragma integrity_check").fetchall() == [("ok",)]


def test_forks_while_threads_write_leave_the_file_whole(tmp_path: Path) -> None:
    made = embed.cached(Model().embedder(), tmp_path / "cache.db", chunk=1)
    stop = threading.Event()

    def write(number: int) -> None:
        turn = 0
        while not stop.is_set():
            made.embed([f"{number} {turn}", f"both {turn}"])
            turn += 1

    with ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(write, number) for number in range(3)]
        try:
            for turn in range(10):
                assert in_child(lambda turn=turn: made.embed([f"child {turn}", "both 0"]).shape) == (2, 8)  # type: ignore[misc]
        finally:
            stop.set()
        for writer in writers:
            writer.result(60)
    with sqlite3.connect(tmp_path / "cache.db") as database:
        assert database.execute("pragma integrity_check").fetchall() == [("ok",)]
        assert database.execute("select count(*) from vectors").fetchone()[0] > 10


def test_a_child_does_not_wait_for_what_a_thread_of_its_parent_embeds(tmp_path: Path) -> None:
    model, begun, go = Model(), threading.Event(), threading.Event()
    made = embed.cached(model.embedder(), tmp_path / "cache.db")

    def slow(_: list[str]) -> None:
        begun.set()
        assert go.wait(60)

    model.before = slow
    with ThreadPoolExecutor(1) as pool:
        embedding = pool.submit(made.embed, ["a"])
        assert begun.wait(60)

        def child() -> tuple[int, ...]:
            model.before = lambda _: None
            return made.embed(["a"]).shape

        assert in_child(child) == (1, 8)
        go.set()
        embedding.result(60)
