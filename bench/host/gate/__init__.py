"""The regression check."""
