"""Generated filters and sequences of calls, compared with the reference ``memory:``."""

from vstore.conformance.test_generated import *  # noqa: F403
