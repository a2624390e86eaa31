"""Vectors: VEC-1 to VEC-3."""

from vstore.conformance.test_vectors import *  # noqa: F403
