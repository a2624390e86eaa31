"""How filters are written and how large they may be: FLT-7 and FLT-8."""

from vstore.conformance.test_filter_forms import *  # noqa: F403
