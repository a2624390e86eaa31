"""Moves collections between databases and files, and proves that they are the same.

``copy`` plans, moves in chunks that survive an interruption, and compares; ``verify`` compares. docs/migration.md lists
what they promise.
"""

from vstore.transfer.api import copy
from vstore.transfer.calls import Progress
from vstore.transfer.checkpoint import default_folder
from vstore.transfer.collections import CollectionSource, CollectionTarget
from vstore.transfer.endpoint import Sink, Source, Target
from vstore.transfer.layout_target import LayoutTarget
from vstore.transfer.loss import Loss, LossKind
from vstore.transfer.opening import Location, open_location
from vstore.transfer.options import CopyKeywords, CopyOptions, IfExists, WithoutText
from vstore.transfer.report import EmbeddingFigures, Report, SearchAgreement, Status, Verification, VerifyMode
from vstore.transfer.verify import verify

__all__ = [
    "CollectionSource",
    "CollectionTarget",
    "CopyKeywords",
    "CopyOptions",
    "EmbeddingFigures",
    "IfExists",
    "LayoutTarget",
    "Location",
    "Loss",
    "LossKind",
    "Progress",
    "Report",
    "SearchAgreement",
    "Sink",
    "Source",
    "Status",
    "Target",
    "Verification",
    "VerifyMode",
    "WithoutText",
    "copy",
    "default_folder",
    "open_location",
    "verify",
]
