"""The async source of the adapter; its sync twin is generated from it."""
