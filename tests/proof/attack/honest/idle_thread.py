"""Has a thread that waits for something that never comes."""

import dataclasses
import threading

import engines

threading.Thread(target=threading.Event().wait, daemon=True).start()


ENGINE = dataclasses.replace(engines.load("reference"), name="idle_thread")
