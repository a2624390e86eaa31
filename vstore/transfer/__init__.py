"""Moving collections between databases, and proving that they are the same.

``copy`` plans, moves in chunks that survive an interruption, and compares; ``verify`` compares. docs/migration.md tells
what they promise.
"""

from vstore.transfer.api import copy
from vstore.transfer.collections import CollectionSource, CollectionTarget
from vstore.transfer.endpoint import Sink, Source, Target
from vstore.transfer.ledger import default_folder
from vstore.transfer.loss import Kind, Loss
from vstore.transfer.opening import Place, open_place
from vstore.transfer.options import Mode
from vstore.transfer.report import Parity, Progress, Report, Status, Verification, VerifyMode
from vstore.transfer.verify import verify

__all__ = [
    "CollectionSource",
    "CollectionTarget",
    "Kind",
    "Loss",
    "Mode",
    "Parity",
    "Place",
    "Progress",
    "Report",
    "Sink",
    "Source",
    "Status",
    "Target",
    "Verification",
    "VerifyMode",
    "copy",
    "default_folder",
    "open_place",
    "verify",
]
