"""Raises the recursion limit, as deep models need it. Honest."""

import dataclasses
import sys

import engines

sys.setrecursionlimit(20_000)


ENGINE = dataclasses.replace(engines.load("reference"), name="recursion_limit")
