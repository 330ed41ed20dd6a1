"""Never becomes an engine. FAILED, after the time that a worker may be silent."""

import time

time.sleep(1_000)
