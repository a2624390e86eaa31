"""Reads by id and counts: GET-1, INC-1 and CNT-1."""

from vstore.conformance.test_reads import *  # noqa: F403
