"""From counting letter pairs to the GPT, one idea a rung: models to read in order and to train alike.

====================  ===========================================================================================
``bigram``            counts which character follows which; nothing is trained by gradients
``mlp_manual``        looks three characters back through one hidden layer; gradients derived by hand
``mlp``               the same model and numbers; gradients by an engine's autograd
``attention``         looks at all characters so far, by one attention head
``multi_head``        several heads and layers, residuals and rmsnorm: the GPT without its perceptrons
``gpt``               the fixed GPT, which bench.workload.trainer trains
====================  ===========================================================================================

All read the same documents in the same order from the same seed, and take one document a step. Those with an autograd
run on any engine.
"""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple, Union

from bench.workload.config import Config, WorkloadError
from bench.workload.data import Documents
from bench.workload.engine import Engine
from bench.workload.ladder.attention import Attention
from bench.workload.ladder.bigram import Bigram
from bench.workload.ladder.ladder_model import LadderModel
from bench.workload.ladder.mlp import MLP
from bench.workload.ladder.mlp_manual import ManualMLP
from bench.workload.ladder.multi_head import MultiHead
from bench.workload.trainer import Trainer

CLASSES: Dict[str, Any] = {
    "bigram": Bigram,
    "mlp_manual": ManualMLP,
    "mlp": MLP,
    "attention": Attention,
    "multi_head": MultiHead,
}
MODELS = (*CLASSES, "gpt")
OPTIMIZERS = ("adam", "sgd")
_ALL = ("block_size", "seed", "rng", "gaussian")
_TRAINED = (*_ALL, "n_embd", "learning_rate", "schedule_steps", "schedule")
# fields of Config that mean something to a model, and whether it runs on an engine
USES: Dict[str, Tuple[str, ...]] = {
    "bigram": _ALL,
    "mlp_manual": _TRAINED,
    "mlp": (*_TRAINED, "engine"),
    "attention": (*_TRAINED, "engine"),
    "multi_head": (*_TRAINED, "engine", "n_head", "n_layer"),
}


def make(
    model: str,
    engine: Union[str, Engine] = "vector",
    documents: Documents = "given_names",
    config: Optional[Config] = None,
    optimizer: str = "adam",
) -> Union[LadderModel, Trainer]:
    """A model of the ladder, ready to train. Raises WorkloadError for what does not go together.

    >>> model = make("bigram", documents=["emma", "ava"])
    >>> round(model.step().loss, 4)  # nothing counted yet: all five tokens are as probable
    1.6094
    """
    if model not in MODELS:
        raise WorkloadError(f"no model {model!r}: choose from {', '.join(MODELS)}")
    if optimizer not in OPTIMIZERS:
        raise WorkloadError(f"no optimizer {optimizer!r}: choose from {', '.join(OPTIMIZERS)}")
    if model == "gpt":
        if optimizer != "adam":
            raise WorkloadError("the gpt trains by adam, as microgpt.py does: leave sgd to the other models")
        return Trainer(engine, documents, config)
    if model == "bigram" and optimizer != "adam":
        raise WorkloadError("bigram counts and has nothing to optimize: leave the optimizer out")
    rung: LadderModel = CLASSES[model](engine, documents, config or Config(), optimizer)
    return rung
