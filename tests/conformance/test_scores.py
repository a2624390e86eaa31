"""Distances and scores: MET-1 to MET-3."""

from vstore.conformance.test_scores import *  # noqa: F403
