"""A store belongs to its process and event loop: CON-3 and CON-4."""

from vstore.conformance.test_home import *  # noqa: F403
