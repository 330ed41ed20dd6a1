"""The promise is a text, not a Parity. FAILED."""

import dataclasses

import engines

ENGINE = dataclasses.replace(engines.load("reference"), name="literal_parity_is_text", parity="bit-identical")
