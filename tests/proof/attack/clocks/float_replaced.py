"""Replaces the built-in float, which reads losses. FAILED."""

import builtins
import dataclasses

import engines


class Float(float):
    pass


builtins.float = Float


ENGINE = dataclasses.replace(engines.load("reference"), name="float_replaced")
