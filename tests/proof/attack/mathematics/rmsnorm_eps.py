"""rmsnorm with 1e-6 in place of 1e-5 under the root. DIVERGED by the first gradients."""

import dataclasses

import engines


def rmsnorm(x):
    ms = sum(xi * xi for xi in x) / len(x)
    scale = (ms + 1e-6) ** -0.5
    return [xi * scale for xi in x]


ENGINE = dataclasses.replace(engines.load("reference"), name="rmsnorm_eps", rmsnorm=rmsnorm)
