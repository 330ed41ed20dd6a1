"""Fails on import. FAILED."""

1 / 0  # noqa: B018
