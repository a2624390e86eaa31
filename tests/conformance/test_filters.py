"""Filters: FLT-1 to FLT-6 and FLT-9, operator by operator; what is expected comes from the reference."""

from vstore.conformance.test_filters import *  # noqa: F403
