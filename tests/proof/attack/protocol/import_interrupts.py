"""Raises KeyboardInterrupt on import. FAILED."""

raise KeyboardInterrupt
