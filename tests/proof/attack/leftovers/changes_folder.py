"""Goes to another working folder. Measured like any other."""

import dataclasses
import os

import engines

os.chdir("/")

ENGINE = dataclasses.replace(engines.load("reference"), name="changes_folder")
