"""Collections: COL-1, COL-2, COL-3 and COL-5."""

from vstore.conformance.test_collections import *  # noqa: F403
