"""Leaves files in the temporary folder. Measured; nothing stays."""

import dataclasses
import os
import tempfile

import engines

os.write(tempfile.mkstemp(prefix="left-by-")[0], b"something")


ENGINE = dataclasses.replace(engines.load("reference"), name="temporary_files")
