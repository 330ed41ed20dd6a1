"""Replaces the built-in sum() for the whole process. FAILED."""

import builtins
import dataclasses

import engines

honest = builtins.sum
builtins.sum = lambda xs, start=0: honest(xs, start)


ENGINE = dataclasses.replace(engines.load("reference"), name="sum_replaced")
