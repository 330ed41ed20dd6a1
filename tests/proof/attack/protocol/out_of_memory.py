"""Asks for more memory than there is. FAILED."""

import dataclasses

import engines

ENGINE = dataclasses.replace(engines.load("reference"), name="out_of_memory", backward=lambda loss: bytes(10**16))
