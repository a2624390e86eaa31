"""Data sets of files: Parquet, Arrow, JSON lines and NPY, as source and as target of a transfer. See docs/files.md."""

from vstore.transfer.files.columns import ALLOWABLE, Columns
from vstore.transfer.files.format import DataSetPath, Encoding
from vstore.transfer.files.location import FileLocation, FileTarget
from vstore.transfer.files.manifest import Manifest, Origin
from vstore.transfer.files.opening import Foreign, open_data_set, read_manifest
from vstore.transfer.files.paths import data_set_path, find, names_files
from vstore.transfer.files.sink import FileSink
from vstore.transfer.files.source import FileSource

__all__ = [
    "ALLOWABLE",
    "Columns",
    "DataSetPath",
    "Encoding",
    "FileLocation",
    "FileSink",
    "FileSource",
    "FileTarget",
    "Foreign",
    "Manifest",
    "Origin",
    "data_set_path",
    "find",
    "names_files",
    "open_data_set",
    "read_manifest",
]
