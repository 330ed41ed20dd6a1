"""Micro-benchmarks of the engines' parts, for pytest-benchmark and pytest-codspeed."""
