"""Every dot product leaves out its last term. The first gradients must give it away."""

import dataclasses

import engines


def linear(x, w):
    return [sum(wi * xi for wi, xi in zip(wo[:-1], x)) for wo in w]


ENGINE = dataclasses.replace(engines.load("reference"), name="linear_short", linear=linear)
