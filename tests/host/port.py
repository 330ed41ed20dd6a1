"""A port to test by: trains with the project's own workload and prints, well or badly.

Arguments: DOCUMENTS STEPS [HOW]. It is small: n_embd 8 and so on, as tests.host.conftest.SMALL says.
"""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from bench.workload.config import Config
from bench.workload.trainer import Trainer
from tests.host.read_start import from_start

documents, steps, how = sys.argv[1], int(sys.argv[2]), (sys.argv[3:] or [""])[0]
rng = os.environ.get("PORT_RNG", "mersenne")
config = Config(n_embd=8, n_head=2, block_size=6, rng=rng, schedule_steps=int(os.environ.get("PORT_SCHEDULE", "1000")))
if how == "silent":
    time.sleep(0.2)
    sys.exit(0)
if "PORT_START" in os.environ:  # its own random numbers are others: all comes from the file
    trainer = from_start(os.environ["PORT_START"], documents, dataclasses.replace(config, seed=7))
else:
    trainer = Trainer("vector", documents, config)
print("num docs: some")
if how == "held back":  # a compiler's buffer is as deaf to a terminal
    sys.stdout = open(1, "w", buffering=1 << 20, closefd=False)
held = []
# holds the output open; named as this port is, so that a test finds both
child = [*sys.orig_argv[:3], "-c", "import time; time.sleep(1000)", "a child of port.py"]
for step in range(1, steps + 1):
    loss = trainer.step().loss
    if step == 3:
        if how == "wrong":
            loss += 0.001
        elif how == "nan":
            loss = float("nan")
        elif how == "garbled":
            print("step    3 / 1000 | loss oops")
            continue
        elif how == "odd step":
            print("step three / 1000 | loss 3.2")
            continue
        elif how == "babbles":
            while True:
                print("still compiling", flush=True)
                time.sleep(0.01)
        elif how == "skips":
            continue
        elif how == "stops":
            sys.exit(0)
        elif how == "crashes":
            print("half a line", end="")
            sys.exit("out of cheese")
        elif how == "leaves a child":
            subprocess.Popen(child)
            sys.exit(0)
        elif how == "not text":
            sys.stdout.buffer.write(b"step    3 / 1000 | \xff\xfe loss\n")
            sys.exit(0)
        elif how == "hangs":
            time.sleep(1000)
    if how == "held back":
        time.sleep(0.05)  # so that on a loaded machine, too, more steps take longer
    if how == "slowly":
        time.sleep(0.1)  # so that on a loaded machine, too, the lines are read one by one
    if how == "at the end":
        held.append(f"step {step:4d} / {steps:4d} | loss {loss:.4f}\n")
    elif how == "other words":
        print(f"{step};{loss:.6e}")
    elif how.startswith("weights"):
        pass  # prints no loss
    elif how == "in colour":
        print(
            f"\x1b[2K\x1b[1Gstep \x1b[1m{step:4d} / {steps:4d}\x1b[0m | loss \x1b[31m{loss:.4f}\x1b[0m",
            end="",
            flush=True,
        )
    elif how == "over its own line":
        print(f"step {step:4d} / {steps:4d} | loss {loss:.4f}", end="\r")
    else:
        print(f"step {step:4d} / {steps:4d} | loss {loss:.4f}")
print("".join(held), end="")
names = {name: name.replace(".w", ".attn_w").replace(".f", ".mlp_f") for name in trainer.weights()}  # microgpt.py's
weights = {names[name]: rows for name, rows in trainer.weights().items()}
if how == "weights off":
    weights["wpe"][1][2] += 1e-6
elif how == "weights not finite":
    weights["wpe"][1][2] = float("nan")
elif how == "weights without a matrix":
    del weights["wpe"]
elif how == "weights without a row":
    weights["wpe"].pop()
if how == "weights of train --save":
    trainer.save("weights.json", overwrite=True)
elif how == "weights not JSON":
    pathlib.Path("weights.json").write_text("{")
elif how.startswith("weights") and how != "weights not written":
    pathlib.Path("weights.json").write_text(json.dumps(weights))
if how == "leaves a child at the end":
    subprocess.Popen(child)
if how == "fails at the end":
    sys.exit("no disk to write to")
if how == "never ends":
    time.sleep(1000)
