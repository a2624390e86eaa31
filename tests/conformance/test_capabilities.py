"""The capability record: CAP-1 to CAP-3."""

from vstore.conformance.test_capabilities import *  # noqa: F403
