"""Turns the collector off when the optimizer is made, after the import. FAILED."""

import dataclasses
import gc

import engines

REFERENCE = engines.load("reference")


class Adam(REFERENCE.optimizer):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        gc.disable()


ENGINE = dataclasses.replace(engines.load("reference"), name="off_in_the_optimizer", optimizer=Adam)
