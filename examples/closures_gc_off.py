"""closures without the cyclic garbage collector, to measure beside it. Nothing frees its graphs then: for a few steps only."""

from engines.closures import ENGINE as CLOSURES

ENGINE = CLOSURES.variant("closures_gc_off", "no cyclic garbage collector", collector="off")
