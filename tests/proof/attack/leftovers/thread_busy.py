"""Starts a thread that computes for ever, while others are measured. FAILED."""

import dataclasses
import threading

import engines


def count():
    while True:
        pass


threading.Thread(target=count, daemon=True).start()


ENGINE = dataclasses.replace(engines.load("reference"), name="thread_busy")
