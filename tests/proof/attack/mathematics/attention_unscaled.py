"""Attention without the division by the root of the head's width. DIVERGED."""

import dataclasses

import engines

REFERENCE = engines.load("reference")


def attention(q, keys, values, n_head):
    root = (len(q) // n_head) ** 0.5
    return REFERENCE.attention([x * root for x in q], keys, values, n_head)


ENGINE = dataclasses.replace(REFERENCE, name="attention_unscaled", attention=attention)
