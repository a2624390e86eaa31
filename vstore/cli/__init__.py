"""The ``vstore`` command."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Runs the command; says what to install where its libraries are missing."""
    try:
        from vstore.cli.app import app
    except ImportError as error:
        sys.exit(f"the vstore command needs {error.name}: pip install 'vstore-db[cli]'")
    app()
