"""Hangs a callback on the collector that raises in every collection. FAILED."""

import dataclasses
import gc

import engines


def callback(phase, info):
    raise RuntimeError(phase)


gc.callbacks.append(callback)


ENGINE = dataclasses.replace(engines.load("reference"), name="callback_raises")
