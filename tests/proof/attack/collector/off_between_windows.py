"""Turns the collector off in snapshot() and restore(), and on again when nobody measures. FAILED."""

import dataclasses
import gc

import engines

REFERENCE = engines.load("reference")


class Adam(REFERENCE.optimizer):
    def snapshot(self):
        gc.disable()
        return super().snapshot()

    def restore(self, snapshot):
        super().restore(snapshot)
        gc.disable()


def count_nodes(loss):
    gc.enable()
    return REFERENCE.count_nodes(loss)


ENGINE = dataclasses.replace(
    engines.load("reference"), name="off_between_windows", optimizer=Adam, count_nodes=count_nodes
)
