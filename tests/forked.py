"""A forked child that runs a function, and what it said."""

from __future__ import annotations

import os
import pickle
import select
import signal
import sys
import traceback
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def in_child(work: Callable[[], T], *, seconds: float = 60) -> T:
    """What ``work`` returns in a forked child, which then ends at once; fails where it raises or outlasts its time."""
    receiving, sending = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        try:
            answer = pickle.dumps((True, work()))
        except BaseException:  # noqa: BLE001  # told to the parent
            answer = pickle.dumps((False, traceback.format_exc()))
        with os.fdopen(sending, "wb") as pipe:
            pipe.write(answer)
        os._exit(0)
    os.close(sending)
    try:
        with os.fdopen(receiving, "rb") as pipe:
            ready, _, _ = select.select([pipe], [], [], seconds)
            assert ready, f"the child has not answered in {seconds} seconds"
            told = pipe.read()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert told, "the child died"
    well, answer = pickle.loads(told)
    assert well, answer
    return answer
