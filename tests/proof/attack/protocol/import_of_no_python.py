"""Is no Python. FAILED."""

ENGINE = Engine(name="syntax_error"
