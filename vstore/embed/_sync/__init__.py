# Generated from vstore/embed/_async/__init__.py by tools/unasync.py: do not edit.
"""The sync form of the cache before an embedder, generated."""
