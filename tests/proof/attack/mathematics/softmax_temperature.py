"""The softmax of the loss has a temperature of 1.0001. DIVERGED."""

import dataclasses

import engines

REFERENCE = engines.load("reference")


def cross_entropy(logits, target):
    return REFERENCE.cross_entropy([logit / 1.0001 for logit in logits], target)


ENGINE = dataclasses.replace(REFERENCE, name="softmax_temperature", cross_entropy=cross_entropy)
