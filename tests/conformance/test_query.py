"""Queries: QRY-1 to QRY-4."""

from vstore.conformance.test_query import *  # noqa: F403
