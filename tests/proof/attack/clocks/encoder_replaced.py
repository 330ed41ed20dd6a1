"""Replaces the encoder inside the json module, so that answers tell a tenth of the time. FAILED."""

import dataclasses
import json

import engines

honest = json.JSONEncoder.encode


def encode(self, answer):
    return honest(self, {name: value / 10 if name.endswith("ns") else value for name, value in answer.items()})


json.JSONEncoder.encode = encode


ENGINE = dataclasses.replace(engines.load("reference"), name="encoder_replaced")
