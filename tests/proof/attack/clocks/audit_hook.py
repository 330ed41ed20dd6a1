"""Sets an audit hook, which cannot be taken off again. It sees, and changes, nothing: honest."""

import dataclasses
import sys

import engines

SEEN = []
sys.addaudithook(lambda event, arguments: SEEN.append(event) if event == "gc.get_objects" else None)


ENGINE = dataclasses.replace(engines.load("reference"), name="audit_hook")
