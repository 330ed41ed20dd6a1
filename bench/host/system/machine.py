"""What machine this is, and what about it makes timings noisy. What it does not tell is left out: it never ends a run."""

from __future__ import annotations

import hashlib
import os
import pathlib
import platform
import sys
import uuid
from collections.abc import Callable
from typing import TypeVar

import psutil

CPUS = pathlib.Path("/sys/devices/system/cpu")  # Linux
MACHINE_IDS = [pathlib.Path("/etc/machine-id"), pathlib.Path("/var/lib/dbus/machine-id")]  # systemd's, or D-Bus's
LOOK_SECONDS = 0.5  # at who is busy now, where the load says that somebody was

T = TypeVar("T")


def describe() -> dict[str, str | int | float]:
    """The machine in one-line values. ``identity`` tells machines apart without naming the host."""
    memory = _told(lambda: int(psutil.virtual_memory().total), 0)
    # machines made from one image share names: what they are made of is held against them too, memory to the GiB, as
    # the system keeps now more, now less of it to itself
    facts = (platform.node(), _machine_id(), *_processor(), str(_cores()), platform.machine(), str(memory >> 30))
    return {
        "cpu": _cpu(),
        "cores": _cores(),
        "memory_bytes": memory,
        "platform": platform.platform(),
        "identity": hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12],
    }


def allowed_cpus() -> set[int]:
    """Numbers of the CPUs that this process may use. Empty where the system binds no process to any."""
    if hasattr(os, "sched_getaffinity"):
        return _told(lambda: os.sched_getaffinity(0), set())
    return _told(lambda: set(psutil.Process().cpu_affinity()), set())


def _told(ask: Callable[[], T], otherwise: T) -> T:
    """What the system tells, or something else where it does not: files may be missing or unreadable, or say nonsense."""
    try:
        return ask()
    except Exception:
        return otherwise


def _cores() -> int:
    return os.cpu_count() or 1


def _machine_id() -> str:
    """What tells this installation from every other one; "" where nothing does."""
    for path in MACHINE_IDS:
        if identity := _told(lambda path=path: path.read_text().strip(), ""):  # type: ignore[misc]
            return identity
    if sys.platform == "win32":
        return _told(_windows_guid, "")
    address = _told(uuid.getnode, 1 << 40)
    return "" if address >> 40 & 1 else f"{address:012x}"  # with this bit it is no network card's, but made up just now


def _windows_guid() -> str:
    import winreg

    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SOFTWARE\Microsoft\Cryptography") as opened:  # type: ignore[attr-defined]
        return str(winreg.QueryValueEx(opened, "MachineGuid")[0])  # type: ignore[attr-defined]


def _processor() -> list[str]:
    """The first processor's name, family, model and stepping, as far as the system tells them."""
    kinds = ("model name", "cpu family", "model", "stepping", "CPU implementer", "CPU part", "CPU revision")
    values: dict[str, str] = {}
    for line in _told(pathlib.Path("/proc/cpuinfo").read_bytes, b"").decode(errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in kinds:
            values.setdefault(name.strip(), value.strip())
    return [values.get(kind, "") for kind in kinds]


def _cpu() -> str:
    return _processor()[0] or platform.processor() or platform.machine() or "unknown processor"


def warnings() -> list[str]:
    """A line for each thing that makes this machine's timings less trustworthy right now."""
    return [line for find in (_battery, _frequency_scaling, _load) if (line := _told(find, ""))]


def _battery() -> str:
    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    if battery is not None and battery.power_plugged is False:  # None: not known
        return "the machine runs on battery: plug it in, or its clock may be lowered at any time"
    return ""


def _frequency_scaling() -> str:
    files = CPUS.glob("cpu*/cpufreq/scaling_governor")
    governors = {_told(lambda path=path: path.read_text().strip(), "") for path in files} - {""}  # type: ignore[misc]
    if governors - {"performance"}:
        return (
            f"CPU frequency scaling is on ({', '.join(sorted(governors))}): 'python -m pyperf system tune' turns it off"
        )
    return ""


def _load() -> str:
    """Busy is where others keep more than half of the processors busy: a run needs one, and the host a bit of another.

    The load is a mean over the last minute, in which a run before this one may have been: so it is looked at now too.
    """
    limit = _cores() / 2
    load = psutil.getloadavg()[0]
    if load <= limit or psutil.cpu_percent(LOOK_SECONDS) / 100 * _cores() <= limit:
        return ""
    return f"the machine is busy (load {load:.1f} over the last minute, {_cores()} cores): expect wider intervals"
