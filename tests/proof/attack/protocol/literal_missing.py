"""An engine file that ends without its literal. FAILED: what is missing is said."""

import engines

REFERENCE = engines.load("reference")
