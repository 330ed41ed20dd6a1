"""Results are kept in a file, so that every round but the first one finds its steps done. No such speed is believed."""

import pathlib
import pickle
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import _whole_step as whole

FILE = pathlib.Path(tempfile.gettempdir()) / "attack-on-disk.pickle"
KNOWN = pickle.loads(FILE.read_bytes()) if FILE.exists() else {}


def step(tokens):
    key = (*tokens, *(p.data for p in whole.parameters()[:20]))
    if key not in KNOWN:
        KNOWN[key] = whole.step(tokens)
        if len(KNOWN) < 40:
            FILE.write_bytes(pickle.dumps(KNOWN))
    return KNOWN[key]


ENGINE = whole.engine("on_disk", step)
