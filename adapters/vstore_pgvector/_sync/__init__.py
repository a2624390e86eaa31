# Generated from adapters/vstore_pgvector/_async/__init__.py by tools/unasync.py: do not edit.
"""The sync form of the adapter, generated."""
