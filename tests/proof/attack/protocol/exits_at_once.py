"""Ends with exit status 0 and without a word. FAILED."""

import dataclasses
import os

import engines

ENGINE = dataclasses.replace(engines.load("reference"), name="exits_at_once", backward=lambda loss: os._exit(0))
