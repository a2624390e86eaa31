"""What outlives a handle, a store and a process: COL-4, COL-6 and COL-7."""

from vstore.conformance.test_reopen import *  # noqa: F403
