# Generated from vstore/integrations/llamaindex/_async/__init__.py by tools/unasync.py: do not edit.
"""The sync form of what LlamaIndex's store sends, generated."""
