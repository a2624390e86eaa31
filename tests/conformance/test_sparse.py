"""Sparse vectors: SPV-1 to SPV-3."""

from vstore.conformance.test_sparse import *  # noqa: F403
