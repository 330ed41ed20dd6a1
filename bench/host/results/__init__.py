"""Runs on disk, and what a run answers."""
