"""Starts a thread that is no daemon and never ends. Measured, or FAILED; the worker is ended all the same."""

import dataclasses
import threading
import time

import engines


def sleep():
    while True:
        time.sleep(60)


threading.Thread(target=sleep).start()


ENGINE = dataclasses.replace(engines.load("reference"), name="thread_left")
