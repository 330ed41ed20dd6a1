"""A summary that is no text. FAILED, and no other cell with it."""

import dataclasses

import engines

ENGINE = dataclasses.replace(engines.load("reference"), name="literal_summary_is_bytes", summary=b"\xff")
