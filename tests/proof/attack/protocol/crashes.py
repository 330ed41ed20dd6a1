"""Reads where no memory is. FAILED, by the signal's name."""

import ctypes
import dataclasses

import engines

ENGINE = dataclasses.replace(engines.load("reference"), name="crashes", backward=lambda loss: ctypes.string_at(0))
