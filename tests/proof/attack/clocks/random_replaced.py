"""Replaces the method that draws tokens. FAILED."""

import dataclasses
import random

import engines

honest = random.Random.choices
random.Random.choices = lambda self, *arguments, **named: honest(self, *arguments, **named)


ENGINE = dataclasses.replace(engines.load("reference"), name="random_replaced")
