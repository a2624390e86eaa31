"""Partitions: TEN-1 to TEN-3."""

from vstore.conformance.test_partitions import *  # noqa: F403
