"""Scans: SCAN-1 to SCAN-3."""

from vstore.conformance.test_scan import *  # noqa: F403
