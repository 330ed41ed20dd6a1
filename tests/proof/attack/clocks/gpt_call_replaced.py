"""Replaces the GPT's own forward pass. FAILED."""

import dataclasses

import engines
from bench.workload.gpt import GPT

honest = GPT.__call__
GPT.__call__ = lambda self, token, position, keys, values: honest(self, token, position, keys, values)


ENGINE = dataclasses.replace(engines.load("reference"), name="gpt_call_replaced")
