"""Hangs a callback on the collector that turns it off. FAILED."""

import dataclasses
import gc

import engines

gc.callbacks.append(lambda phase, info: gc.disable())


ENGINE = dataclasses.replace(engines.load("reference"), name="callback_disables")
