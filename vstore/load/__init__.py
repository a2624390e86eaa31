"""Loads texts from JSON lines, CSV or Parquet into a collection: streaming, resumable, with dead letters.

``load`` is what ``vstore load`` runs. See docs/embedding.md.
"""

from __future__ import annotations

from vstore.load.engine import Report, load, rehearse
from vstore.load.fields import Fields
from vstore.load.ledger import Ledger

__all__ = ["Fields", "Ledger", "Report", "load", "rehearse"]
