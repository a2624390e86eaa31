"""The async source of ``Store`` and ``Collection``; ``vstore._sync`` is generated from it."""
