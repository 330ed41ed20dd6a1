"""Replaces gc.enable and gc.isenabled, and turns the collector off. FAILED."""

import dataclasses
import gc

import engines

gc.disable()
gc.enable = lambda: None
gc.isenabled = lambda: True


ENGINE = dataclasses.replace(engines.load("reference"), name="enable_replaced")
