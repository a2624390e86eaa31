"""Builds the index of a shard, in a process of its own.

qdrant_edge holds the interpreter's lock for as long as it builds (3 s for 10,000 vectors of 384 components, 0.9),
in which no other thread and no event loop runs. Another process disturbs nobody.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from inspect import getfile
from pathlib import Path
from typing import Final

from vstore.errors import BackendError

__all__ = ["build", "main"]

_CHILD: Final = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from vstore_qdrant.engine_build import main
main(sys.argv[2])
"""


def build(path: Path) -> None:
    """Builds the index of a shard that is closed, and waits."""
    done = subprocess.run(  # noqa: S603  # this module, and a path that is no option
        [sys.executable, "-P", "-c", _CHILD, json.dumps(_importable()), str(path)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        text = done.stderr.decode(errors="replace").strip()[-500:] or f"its process ended with {done.returncode}"
        raise BackendError(f"the index could not be built: {text}", hint="The records are written.")


def _importable() -> list[str]:
    """Return where this process finds modules, and nothing that happens to lie in the working directory.

    That is what an empty or a relative entry stands for; where these packages are found by such a one, they come last.
    """
    named = [entry for entry in sys.path if os.path.isabs(entry)]  # noqa: PTH117  # an entry need not be a path
    own = [str(Path(file).resolve().parents[1]) for file in (__file__, getfile(BackendError))]
    return list(dict.fromkeys([*named, *own]))


def main(path: str) -> None:
    """Builds the index of the shard at ``path``."""
    import qdrant_edge as edge

    shard = edge.EdgeShard.load(path)
    shard.optimize()
    shard.flush()
    shard.close()
