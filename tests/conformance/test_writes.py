"""Writes: ADD, UPS, UPD and DEL."""

from vstore.conformance.test_writes import *  # noqa: F403
