"""What holds for every write: WR-1 to WR-4."""

from vstore.conformance.test_batches import *  # noqa: F403
