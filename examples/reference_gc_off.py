"""The reference without the cyclic garbage collector, to measure beside the one with it: its graphs have no cycles."""

from engines.reference import ENGINE as REFERENCE

ENGINE = REFERENCE.variant("reference_gc_off", "no cyclic garbage collector", collector="off")
