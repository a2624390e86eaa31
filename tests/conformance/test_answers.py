"""What comes of the nearest: QRY-5 and QRY-6."""

from vstore.conformance.test_answers import *  # noqa: F403
