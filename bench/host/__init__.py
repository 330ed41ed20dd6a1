"""The host side: finds interpreters, drives workers, compares, stores and renders. Never inside a timed region."""
