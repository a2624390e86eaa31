"""Loads texts from JSON lines, CSV or Parquet into a collection: streaming, resumable, with a file of rejected rows.

``load`` is what ``vstore load`` runs. See docs/embedding.md.
"""

from __future__ import annotations

from vstore.load.checkpoint import LoadCheckpoint
from vstore.load.engine import Report, embed_first, load
from vstore.load.fields import Fields
from vstore.load.vectors import find_fields
from vstore.transfer.files.vector_columns import VectorColumn

__all__ = ["Fields", "LoadCheckpoint", "Report", "VectorColumn", "embed_first", "find_fields", "load"]
