"""Lets the collector keep all garbage instead of freeing it. FAILED."""

import dataclasses
import gc

import engines

gc.set_debug(gc.DEBUG_SAVEALL)

ENGINE = dataclasses.replace(engines.load("reference"), name="debugging")
