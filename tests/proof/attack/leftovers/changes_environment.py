"""Changes the environment. Measured like any other."""

import dataclasses
import os

import engines

os.environ["PYTHONHASHSEED"] = "1"
os.environ.pop("PATH", None)

ENGINE = dataclasses.replace(engines.load("reference"), name="changes_environment")
