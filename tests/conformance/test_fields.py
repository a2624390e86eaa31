"""Named fields: FLD-1 and FLD-2."""

from vstore.conformance.test_fields import *  # noqa: F403
