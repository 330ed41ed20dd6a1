"""Attention sees three positions at most: right for short documents, and so for some steps. DIVERGED by a long one."""

import dataclasses

import engines

REFERENCE = engines.load("reference")


def attention(q, keys, values, n_head):
    return REFERENCE.attention(q, keys[-3:], values[-3:], n_head)


ENGINE = dataclasses.replace(REFERENCE, name="attention_last_three", attention=attention)
