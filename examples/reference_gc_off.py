"""The reference without the cyclic garbage collector. Its recursive search refers to itself and keeps each graph: for a few steps only."""

from engines.reference import ENGINE as REFERENCE

ENGINE = REFERENCE.variant("reference_gc_off", "no cyclic garbage collector", collector="off")
