"""What vstore logs, under ``vstore.*``: no text, vector, id or secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from logging import Logger

__all__ = ["DEBUG", "WARNING", "log"]

DEBUG: Final = 10
WARNING: Final = 30
_loggers: Final[dict[str, Logger]] = {}


def log(part: str, level: int, message: str, *values: object) -> None:
    """Log a message to the logger ``vstore.PART``, at the place of the caller.

    Args:
        part: ``retries``, ``splits``, ``emulations``, ``indexes`` or ``settings``.
        level: ``DEBUG`` or ``WARNING``.
        message: With ``%s`` for each of ``values``.
        values: What is formatted only where somebody listens.
    """
    logger = _loggers.get(part)
    if logger is None:
        from logging import getLogger  # 3 ms, which importing vstore does not need

        logger = _loggers[part] = getLogger(f"vstore.{part}")
    logger.log(level, message, *values, stacklevel=2)
