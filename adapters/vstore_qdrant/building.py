"""Builds the index of a shard: ``python -m vstore_qdrant.building PATH``.

qdrant_edge holds the interpreter's lock for as long as it builds (3 s for 10,000 vectors of 384 components, 0.9),
in which no other thread and no event loop runs. In a process of its own it disturbs nobody.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from vstore.errors import BackendError

__all__ = ["build"]


def build(path: Path) -> None:
    """Builds the index of a shard that is closed, and waits."""
    done = subprocess.run(  # noqa: S603  # this module, and a path that is no option
        # what this process can import, and nothing that happens to lie in the working directory
        [sys.executable, "-P", "-m", "vstore_qdrant.building", str(path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=False,
    )
    if done.returncode:
        text = done.stderr.decode(errors="replace").strip()[-500:] or f"its process ended with {done.returncode}"
        raise BackendError(f"the index could not be built: {text}", hint="The records are written.")


def main() -> None:
    """What the process does."""
    import qdrant_edge as edge

    shard = edge.EdgeShard.load(sys.argv[1])
    shard.optimize()
    shard.flush()
    shard.close()


if __name__ == "__main__":
    main()
