"""Errors: ERR-1 to ERR-4."""

from vstore.conformance.test_errors import *  # noqa: F403
