"""Ids: ID-1 and ID-2."""

from vstore.conformance.test_ids import *  # noqa: F403
