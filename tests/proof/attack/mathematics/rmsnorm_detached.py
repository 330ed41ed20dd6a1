"""rmsnorm takes its scale for a constant: right losses at the first step, wrong gradients. DIVERGED."""

import dataclasses

import engines


def rmsnorm(x):
    ms = sum(xi.data * xi.data for xi in x) / len(x)
    return [xi * (ms + 1e-5) ** -0.5 for xi in x]


ENGINE = dataclasses.replace(engines.load("reference"), name="rmsnorm_detached", rmsnorm=rmsnorm)
