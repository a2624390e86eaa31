"""Data sets of files: Parquet, Arrow, JSON lines and NPY, as source and as target of a transfer. See docs/files.md."""

from vstore.transfer.files.columns import ALLOWABLE, Columns
from vstore.transfer.files.filing import FilePlace
from vstore.transfer.files.finding import find, names_files, place
from vstore.transfer.files.location import Encoding, Location
from vstore.transfer.files.manifest import Manifest, Origin
from vstore.transfer.files.opening import Foreign, open_data_set, read_manifest
from vstore.transfer.files.sink import FileSink
from vstore.transfer.files.source import FileSource
from vstore.transfer.files.target import FileTarget

__all__ = [
    "ALLOWABLE",
    "Columns",
    "Encoding",
    "FilePlace",
    "FileSink",
    "FileSource",
    "FileTarget",
    "Foreign",
    "Location",
    "Manifest",
    "Origin",
    "find",
    "names_files",
    "open_data_set",
    "place",
    "read_manifest",
]
