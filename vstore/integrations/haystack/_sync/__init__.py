# Generated from vstore/integrations/haystack/_async/__init__.py by tools/unasync.py: do not edit.
"""The sync form of what Haystack's store sends, generated."""
