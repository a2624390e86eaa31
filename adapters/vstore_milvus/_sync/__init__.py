# Generated from adapters/vstore_milvus/_async/__init__.py by tools/unasync.py: do not edit.
"""The sync form of the adapter, generated."""
