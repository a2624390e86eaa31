"""The async source of the adapter; ``vstore_pgvector._sync`` is generated from it."""
