"""The async source of the cache before an embedder; its sync twin is generated from it."""
