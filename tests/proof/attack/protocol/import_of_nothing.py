"""Imports a module that is nowhere. FAILED; not skipped, as only an engine itself can say what it lacks."""

import a_module_that_is_nowhere  # noqa: F401
