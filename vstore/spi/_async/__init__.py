"""The async source of the protocols; ``vstore.spi._sync`` is generated from it."""
