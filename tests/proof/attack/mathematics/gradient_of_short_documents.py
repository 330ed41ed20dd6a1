"""Gradients of documents of three characters or fewer are scaled by 1.001. DIVERGED when one comes."""

import dataclasses

import engines

REFERENCE = engines.load("reference")
SCALE = []


def mean(losses):
    SCALE[:] = [1.001 if len(losses) <= 4 else 1]
    return REFERENCE.mean(losses)


def backward(loss):
    (SCALE[0] * loss).backward()


ENGINE = dataclasses.replace(REFERENCE, name="gradient_of_short_documents", mean=mean, backward=backward)
