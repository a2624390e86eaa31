"""What psycopg logs of the connections that this adapter makes is told by errors, and need not be printed as well."""

from __future__ import annotations

import logging
from typing import Final

import psycopg

__all__ = ["POOL_NAME", "keep_quiet"]

POOL_NAME: Final = "vstore"


class _OwnApart(logging.Handler):
    """Prints what a logger without any handler would print, but for records about connections of ours.

    The application's logging configuration takes no notice of it: records reach its handlers as ever.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Prints a record if nobody else does."""
        arguments = record.args if isinstance(record.args, tuple) else ()
        if any(argument == POOL_NAME or _ours(argument) for argument in arguments):
            return
        if not logging.getLogger().handlers and logging.lastResort is not None:
            logging.lastResort.handle(record)


def _ours(argument: object) -> bool:
    return isinstance(argument, psycopg.Connection | psycopg.AsyncConnection) and hasattr(argument, "steady")


def keep_quiet() -> None:
    """Installs the handler once; without any handler Python prints every warning to stderr."""
    logger = logging.getLogger("psycopg")
    if not any(isinstance(handler, _OwnApart) for handler in logger.handlers):
        logger.addHandler(_OwnApart(logging.WARNING))
