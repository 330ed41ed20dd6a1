"""ENGINE is a dictionary. FAILED."""

ENGINE = {"name": "literal_is_a_dict"}
