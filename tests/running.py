"""Any store by one name: a URL with a place for a folder, or a server that is started."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from tests.milvus_server import milvus_server
from tests.servers import chroma_server, postgres_server

__all__ = ["printed", "running"]


def running(store: str, folder: Path) -> AbstractContextManager[str]:
    """The URL of a store: ``"chroma:{}"`` and its like in ``folder``, or ``"milvus server"`` and its like."""
    match store:
        case "chroma server":
            return chroma_server(folder)
        case "milvus server":
            return milvus_server()
        case "postgresql server":
            return postgres_server()
    return nullcontext(store.format(folder))


def printed(program: Path, *arguments: str) -> Any:
    """What a program prints as JSON, in a process of its own."""
    command = [sys.executable, str(program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
