"""What other packages write into Chroma. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from vstore.errors import InvalidInput
from vstore.indexing import HNSW, Metric
from vstore.mapping import ALL, RecordMapping
from vstore.spi.described import OWN_PROGRAM
from vstore.spi.layouts import Layout, Part, node
from vstore_chroma.codec import survives

__all__ = ["LAYOUTS", "MEM0", "USUAL", "ChromaLayout"]

USUAL: Final = RecordMapping(document=("document",), metadata=("metadata",), fields=ALL)
MEM0: Final = replace(USUAL, document=("metadata", "data"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChromaLayout(Layout):
    """A layout of Chroma, which has neither nested metadata nor every float.

    Attributes:
        old_space: Whether the package says the metric in the collection's metadata, as before Chroma 1.0.
    """

    nested: bool = False
    keeps_settings: bool = True
    exact_float: Callable[[float], bool] | None = survives
    old_space: bool = False


def _open_webui(name: str) -> str:
    """Return the name, which open-webui gives as it is."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{1,510}[A-Za-z0-9]", name):
        raise InvalidInput(
            "Chroma has no collection of such a name",
            hint="It has 3 to 512 of A-Z a-z 0-9 . _ -, a letter or digit at either end.",
        )
    return name


LAYOUTS: Final[Mapping[str, ChromaLayout]] = {
    # it passes over records without a document
    "langchain": ChromaLayout(package="langchain-chroma", mapping=USUAL),
    "llamaindex": ChromaLayout(package="llama-index-vector-stores-chroma", mapping=USUAL, derived=node("")),
    # it skips documents without content
    "haystack": ChromaLayout(package="chroma-haystack", mapping=USUAL, old_space=True),
    "mem0": ChromaLayout(package="mem0ai", mapping=MEM0, derived={"hash": Part.MD5}, needs_document=False),
    # retrieval/vector/dbs/chroma.py of open-webui 0.12.4; a text is never missing in what it reads
    "open-webui": ChromaLayout(
        package="open-webui",
        mapping=USUAL,
        old_space=True,
        keeps_settings=False,
        native=_open_webui,
        index=HNSW(m=16, ef_construction=100),
        index_told="open-webui takes Chroma's default",
        metrics=(Metric.COSINE,),
        resizes=True,
    ),
    "plain": ChromaLayout(package=OWN_PROGRAM, mapping=USUAL, needs_document=False),
}
