"""Imports a module that stands beside it."""

import dataclasses
import pathlib
import sys

import engines

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from _helper import linear

ENGINE = dataclasses.replace(engines.load("reference"), name="helper_beside_it", linear=linear)
