"""Gives itself another priority than its neighbours have. FAILED."""

import dataclasses
import os

import engines

os.nice(5)


ENGINE = dataclasses.replace(engines.load("reference"), name="nice")
