"""Metadata and documents: META-1 to META-5 and DOC-1."""

from vstore.conformance.test_metadata import *  # noqa: F403
