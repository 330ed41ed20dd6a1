"""What is said of a machine that makes timings noisy, a line each."""

import types

import pytest

from bench.host.system import machine


@pytest.fixture
def quiet(monkeypatch, tmp_path):
    """A machine without anything to warn of; the folder that stands for the system's of CPUs."""
    monkeypatch.setattr(machine.psutil, "sensors_battery", lambda: None, raising=False)
    monkeypatch.setattr(machine.psutil, "getloadavg", lambda: (0.1, 0.1, 0.1))
    monkeypatch.setattr(machine.psutil, "cpu_percent", lambda seconds: 100.0)
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(machine, "CPUS", tmp_path)
    return tmp_path


def test_a_quiet_machine(quiet):
    assert machine.warnings() == []


@pytest.mark.parametrize("plugged, lines", [(False, 1), (True, 0), (None, 0)])
def test_battery(quiet, monkeypatch, plugged, lines):
    battery = types.SimpleNamespace(power_plugged=plugged)
    monkeypatch.setattr(machine.psutil, "sensors_battery", lambda: battery)
    found = machine.warnings()
    assert len(found) == lines and all("runs on battery" in line for line in found)


@pytest.mark.parametrize("governors, lines", [(["performance"] * 2, 0), (["performance", "powersave"], 1)])
def test_frequency_scaling(quiet, governors, lines):
    for number, governor in enumerate(governors):
        file = quiet / f"cpu{number}" / "cpufreq" / "scaling_governor"
        file.parent.mkdir(parents=True)
        file.write_text(f"{governor}\n")
    found = machine.warnings()
    assert len(found) == lines and all("frequency scaling is on (performance, powersave)" in line for line in found)


def test_other_load_is_in_the_run_and_its_tables(quiet, monkeypatch, small_run):
    monkeypatch.setattr(machine.psutil, "getloadavg", lambda: (1.7, 0.1, 0.1))
    done = small_run("--engine", "reference")
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("warning: "))
    assert "the machine is busy (load 1.7 over the last minute, 2 cores)" in line
