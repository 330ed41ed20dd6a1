"""What machine this is, and what about it makes timings noisy."""

from __future__ import annotations

import hashlib
import os
import pathlib
import platform

import psutil

LOAD_LIMIT = 0.5  # other processes' load, in cores
CPUS = pathlib.Path("/sys/devices/system/cpu")  # Linux


def describe() -> dict[str, str | int | float]:
    """The machine in one-line values. ``identity`` tells machines apart without naming the host."""
    facts = (platform.node(), _cpu(), str(os.cpu_count()), platform.machine())
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count() or 1,
        "memory_bytes": psutil.virtual_memory().total,
        "platform": platform.platform(),
        "identity": hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12],
    }


def _cpu() -> str:
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def warnings() -> list[str]:
    """A line for each thing that makes this machine's timings less trustworthy right now."""
    found = []
    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    if battery is not None and battery.power_plugged is False:  # None: not known
        found.append("the machine runs on battery: plug it in, or its clock may be lowered at any time")
    governors = {path.read_text().strip() for path in CPUS.glob("cpu*/cpufreq/scaling_governor")}
    if governors - {"performance"}:
        found.append(
            f"CPU frequency scaling is on ({', '.join(sorted(governors))}): 'python -m pyperf system tune' turns it off"
        )
    load = psutil.getloadavg()[0]
    if load > LOAD_LIMIT:
        found.append(f"the machine is busy (load {load:.1f} over the last minute): expect wider intervals")
    return found
