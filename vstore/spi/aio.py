"""The async forms of the functions of ``vstore.spi`` that wait for a database."""

from __future__ import annotations

from vstore.spi._async.batching import scan_by_ids, write_parts
from vstore.spi._async.searching import scan_top_k, top_up

__all__ = ["scan_by_ids", "scan_top_k", "top_up", "write_parts"]
