"""relu with a slope of 0.01 below zero. DIVERGED."""

import dataclasses

import engines


def relu(x):
    return [xi.relu() + 0.01 * -(-xi).relu() for xi in x]


ENGINE = dataclasses.replace(engines.load("reference"), name="relu_leaky", relu=relu)
