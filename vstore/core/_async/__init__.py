"""The async source of ``Store`` and ``Collection``; ``vstore.core._sync`` is generated from it."""
