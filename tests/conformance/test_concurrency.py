"""Threads: CON-1. Tasks: CON-2. Every body but the last three runs on sync and async stores alike."""

from vstore.conformance.test_concurrency import *  # noqa: F403
