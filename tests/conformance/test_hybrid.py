"""Hybrid queries: HYB-1 to HYB-5."""

from vstore.conformance.test_hybrid import *  # noqa: F403
