"""A forked child that does something with what it inherited, and what it says of it."""

from __future__ import annotations

import json
import os
import select
import signal
import traceback
from collections.abc import Callable
from typing import Any

__all__ = ["in_child"]


def in_child(work: Callable[[], Any], *, seconds: float = 120) -> Any:
    """What ``work`` returns in a forked child, which then ends at once; it must have a JSON form."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            told: Any = {"said": work()}
        except BaseException:  # noqa: BLE001  # told to the parent
            told = {"error": traceback.format_exc()}
        with os.fdopen(sending, "w") as pipe:
            json.dump(told, pipe)
        os._exit(0)
    os.close(sending)
    try:
        with os.fdopen(receiving) as pipe:
            assert select.select([pipe], [], [], seconds)[0], f"the child has not answered in {seconds} seconds"
            text = pipe.read()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert text, "the child died"
    told = json.loads(text)
    assert "error" not in told, told["error"]
    return told["said"]
