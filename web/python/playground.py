"""What the page orders, done in Python: one JSON text in, one JSON text out.

It runs in a worker of the browser (Pyodide), and as it stands in any CPython, where the tests hold it. The model is
``bench.Model``; nothing of it, of autograd or of random numbers is written in the page's own language.
"""

from __future__ import annotations

import json
import math
import pathlib
import sys
import warnings
from typing import Any, Callable, Dict, List, Optional

import engines
from bench import Config, Model, WorkloadError
from bench.workload import data, generation, model_file, runtime
from bench.workload.config import OPTIONS, PRESETS
from bench.workload.failures import check_loss, failures_of
from bench.workload.generation import Sampling
from bench.workload.random_streams import seeded
from bench.workload.gpt import count_parameters
from bench.workload.trainer import Trainer

from graph import Graph
from ladder_run import LadderRun
from paired import paired_ratio, verdict
from pictures import inside, principal_components
from sizes import Sizes

LARGEST_TEXT = 5_000_000  # bytes of a text of the user's own
OWN = "own"  # the engine typed on the page
NORMS_EVERY = 10  # steps: reading all gradients costs as much as a tenth of a step
PREVIEW = 40  # documents

warnings.simplefilter("ignore")  # what the block cuts stands in every answer


class Playground:
    """The state between orders: a model, once started or loaded, and what was opened to look at."""

    def __init__(self, home: pathlib.Path) -> None:
        self.home = home  # of files that the page hands over
        self.model: Optional[Model] = None
        self.engine = ""
        self.text_rng: Any = None  # of tokens drawn one at a time
        self.graph: Optional[Graph] = None
        self.ladder: Optional[LadderRun] = None
        self.other: Optional[Model] = None  # the reference, beside an engine that is checked

    # ----------------------------------------------------------------- what there is

    def hello(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """The interpreter, the engines, the fields of Config with their defaults, the presets, the embedded lists."""
        found = []
        for name in engines.NAMES:
            engine = engines.load(name)
            found.append(
                {
                    "name": name,
                    "summary": engine.summary,
                    "change": engine.change,
                    "parity": engine.parity.value,
                    "unavailable": engine.unavailable,
                    "scalar": engine.value is not None,
                }
            )
        described = runtime.describe()
        return {
            "python": described["python"],
            "platform": sys.platform,
            "build": described["compiler"],
            "engines": found,
            "presets": PRESETS,
            "lists": data.embedded(),
        }

    def describe(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """The documents of the settings: how many, which characters, how long, and the first of them."""
        settings = order["settings"]
        documents = self.documents(settings)
        lengths = sorted(map(len, documents))
        vocabulary = data.Vocabulary(documents)
        histogram: Dict[int, int] = {}
        for length in lengths:
            histogram[length] = histogram.get(length, 0) + 1
        return {
            "documents": len(documents),
            "characters": "".join(vocabulary.characters),
            "tokens": sum(lengths) + len(lengths),
            "shortest": lengths[0],
            "longest": lengths[-1],
            "median": lengths[len(lengths) // 2],
            "histogram": sorted(histogram.items())[:200],
            "preview": [document[:200] for document in documents[:PREVIEW]],
            "cut": data.cut(documents, settings["options"].get("block_size", Config.block_size)),
        }

    def documents(self, settings: Dict[str, Any]) -> List[str]:
        """The documents that the settings name or hold. Raises WorkloadError."""
        text = settings.get("text")
        if text is None:
            return data.documents_in(settings["data"])
        if len(text.encode(errors="replace")) > LARGEST_TEXT:
            raise WorkloadError(f"the text has more than {LARGEST_TEXT:,} bytes: give a part of it")
        if settings.get("blocks"):
            size = settings["options"].get("block_size", Config.block_size)
            running = " ".join(text.split())
            found = [running[start : start + size] for start in range(0, len(running), size)]
        else:
            found = [line.strip() for line in text.split("\n") if line.strip()]
        if not found:
            raise WorkloadError("the text is empty: type at least one line, or choose a list")
        if len(set("".join(found))) < 2:
            raise WorkloadError("the text has a single character: with less than two there is nothing to learn")
        return found

    def upload(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """The text of a file, checked as the command line checks one."""
        path = self.home / order["name"]
        try:
            if path.stat().st_size > LARGEST_TEXT:
                raise WorkloadError(f"{path.name} is larger than {LARGEST_TEXT:,} bytes: give a part of it")
            data.read_documents(path)
            return {"text": path.read_bytes().decode("utf-8-sig")}
        except WorkloadError as error:
            raise WorkloadError(str(error).replace(str(path), path.name)) from None
        finally:
            path.unlink()

    # ----------------------------------------------------------------- settings

    def check(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """What the settings would make: parameters, memory, what the block cuts; raises WorkloadError at the first field."""
        settings = order["settings"]
        config = self.config(settings)
        documents = self.documents(settings)
        vocabulary = len(data.Vocabulary(documents))
        parameters = count_parameters(config, vocabulary)
        sizes = Sizes(config, vocabulary, self.is_scalar(settings["engine"]))
        sizes.check()
        if config.validation_split and int(len(documents) * (1 - config.validation_split)) in (0, len(documents)):
            raise WorkloadError(
                f"validation_split {config.validation_split} leaves no document on one side: {len(documents)} are few"
            )
        return {
            "parameters": parameters,
            "megabytes": sizes.bytes / 1e6,
            "cut": data.cut(documents, config.block_size),
            "uniform": math.log(vocabulary),
        }

    def is_scalar(self, engine: str) -> bool:
        """Whether the engine makes an object a number, so that its memory grows with the graph."""
        return engine == OWN or engines.load(engine).value is not None

    def config(self, settings: Dict[str, Any]) -> Config:
        """The settings as Config takes them. Raises WorkloadError."""
        steps = settings["steps"]
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise WorkloadError(f"steps is {steps}: it must be a whole number, at least 1")
        options = {}
        for name, value in settings["options"].items():
            kind = str(Config.__dataclass_fields__[name].type)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if "float" in kind and value is not None and not number:
                raise WorkloadError(f"{name} is {value!r}: it must be a number")
            if "int" in kind and value is not None and not (number and value == int(value)):
                raise WorkloadError(f"{name} is {value!r}: it must be a whole number")
            options[name] = float(value) if number and "float" in kind else int(value) if number else value
        return Config(**{**options, "schedule_steps": steps})

    def engine_of(self, settings: Dict[str, Any]) -> str:
        """The engine as Model takes it: a name, or the path of the file that was typed. Raises EngineError."""
        name = settings["engine"]
        if name != OWN:
            return str(name)
        path = self.home / "own.py"
        path.write_text(settings["source"], encoding="utf-8")
        return str(path)

    def estimate(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """About how long a step takes here: the second of two, of a model of these sizes that is thrown away."""
        settings = order["settings"]
        trainer = Trainer(self.engine_of(settings), self.documents(settings), self.config(settings))
        trainer.step()
        return {"ms": trainer.step().seconds * 1e3}

    # ----------------------------------------------------------------- training

    def start(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Make the model, in place of the one before."""
        settings = order["settings"]
        config, self.engine = self.config(settings), self.engine_of(settings)
        self.model = None
        self.model = Model(self.engine, self.documents(settings), **_options(config))
        return self._about()

    def _about(self) -> Dict[str, Any]:
        model = self.the_model()
        trainer = model.trainer
        self.text_rng = seeded(model.config.rng, model.config.seed, model.config.gaussian)
        self.graph = None
        return {
            "parameters": sum(len(row) for rows in trainer.weights().values() for row in rows),
            "documents": len(trainer.documents),
            "held_out": len(trainer.held_out),
            "characters": "".join(trainer.vocabulary.characters),
            "cut": trainer.cut(),
            "steps": trainer.steps_done,
            "engine": trainer.engine.name,
            "config": model.config.record(),
            "trainable": model.trainable,
            "matrices": list(trainer.weights()),
        }

    def the_model(self) -> Model:
        """Raises WorkloadError where there is none."""
        if self.model is None:
            raise WorkloadError("there is no model yet: start a training, or load one")
        return self.model

    def step(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Train on the next document; every some steps with the norm of each matrix's gradient."""
        model = self.the_model()
        if not model.trainable:
            raise WorkloadError("the model was loaded to look at: choose its documents and load it again to train on")
        trainer, norms = model.trainer, {}  # type: Trainer, Dict[str, float]

        def look() -> None:
            for name, matrix in trainer.model.matrices.items():
                rows = trainer.engine.read_gradients(matrix)
                norms[name] = math.sqrt(math.fsum(x * x for row in rows for x in row))

        with failures_of(self.engine):
            done = trainer.step(look if order.get("norms") and trainer.steps_done % NORMS_EVERY == 0 else None)
            check_loss(done.step, done.loss)
            model.losses.append(done.loss)
            answer: Dict[str, Any] = {
                "step": done.step,
                "loss": done.loss,
                "hex": done.loss.hex(),
                "rate": done.learning_rate,
                "ms": done.seconds * 1e3,
            }
            if trainer.validation_due():
                answer["validation"] = trainer.validate()
            every = order.get("samples_every", 0)
            if every and done.step % every == 0:
                answer["samples"] = self._samples(trainer, done.step)
        if norms:
            answer["norms"] = norms
            answer["document"] = done.document
        return answer

    def _samples(self, trainer: Trainer, step: int) -> List[str]:
        """Some texts as the model is now, by a stream of their own: what is drawn later is as if there were none."""
        config = trainer.config
        rng = seeded(config.rng, config.seed + step, config.gaussian)
        sampling = Sampling(top_k=config.top_k)
        return [generation.draw(trainer.model, trainer.vocabulary, rng, sampling)[0] for _ in range(3)]

    # ----------------------------------------------------------------- keeping

    def save(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """What `microgpt-bench train --save` writes."""
        return {"text": model_file.text_of(self.the_model().trainer.saved())}

    def load(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """A saved model; with settings whose documents have its characters it can be trained on."""
        path = self.home / order["name"]
        settings = order["settings"]
        try:
            saved = model_file.load(path)
            documents: Optional[List[str]] = self.documents(settings)
            if "".join(data.Vocabulary(documents or []).characters) != saved.characters:
                documents = None
            engine = saved.engine if saved.engine in engines.NAMES else settings["engine"]
            if engines.load(engine).unavailable:
                engine = settings["engine"]
            self.model = Model.load(path, engine, documents)
        except WorkloadError as error:
            raise WorkloadError(str(error).replace(str(path), path.name)) from None
        finally:
            path.unlink()
        self.engine = engine
        return self._about()

    # ----------------------------------------------------------------- drawing

    def sampling(self, order: Dict[str, Any]) -> Sampling:
        """How tokens are chosen. Raises WorkloadError."""
        top_k = order.get("top_k")
        return Sampling(float(order["temperature"]), top_k, bool(order.get("greedy")), order.get("prefix", ""))

    def generate(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Documents, token by token with probabilities, from a seed: as `microgpt-bench generate --model --trace`."""
        model, sampling = self.the_model(), self.sampling(order)
        config, trainer = model.config, model.trainer
        trainer.check(sampling)
        count = order["samples"]
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 1000:
            raise WorkloadError(f"number is {count}: it must be a whole number from 1 to 1,000")
        rng = seeded(config.rng, order["seed"], config.gaussian)
        sampling = Sampling(sampling.temperature, sampling.top_k or config.top_k, sampling.greedy, sampling.prefix)
        with failures_of(self.engine):
            tokens = list(generation.trace(trainer.model, trainer.vocabulary, rng, count, sampling))
        texts = [sampling.prefix] * count
        for token in tokens:
            texts[token.sample] += token.token
        return {"texts": texts, "tokens": [list(token) for token in tokens]}

    def next(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """The probability of every character after a text; with ``draw`` one of them, by chance or greedily."""
        model, sampling = self.the_model(), self.sampling(order)
        trainer, text = model.trainer, order["text"]
        names = [*trainer.vocabulary.characters, generation.END]
        if len(text) >= model.config.block_size:
            return {"probabilities": [], "full": True}
        with failures_of(self.engine):
            weights = generation.along(trainer.model, trainer.vocabulary, text, sampling)[-1]
        total = math.fsum(weights)
        answer: Dict[str, Any] = {
            "probabilities": [[name, w / total] for name, w in zip(names, weights)],
            "full": False,
        }
        if order.get("draw"):
            if sampling.greedy:
                drawn = weights.index(max(weights))
            else:
                drawn = self.text_rng.choices(range(len(weights)), weights=weights)[0]
            answer["drawn"] = names[drawn]
        return answer

    # ----------------------------------------------------------------- looking inside

    def look(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Attention, activations and probabilities along a text, and the embeddings as a map."""
        return inside(self.the_model(), order["text"])

    def embeddings(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Vectors of tokens and of positions, and the tokens' places on a map of two principal components."""
        tokens, positions = self.the_model().embeddings()
        points, shares = principal_components(list(tokens.values()))
        return {"tokens": list(tokens), "vectors": list(tokens.values()), "positions": positions,
                "points": points, "shares": shares}  # fmt: skip

    def open_graph(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """The autograd graph of a short document's loss, from the loss down."""
        self.graph = Graph(self.the_model().trainer, order["engine"], order["document"])
        return self.graph.about()

    def graph_node(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """One node and those that it was made of."""
        if self.graph is None:
            raise WorkloadError("there is no graph yet: open one")
        return self.graph.node(order["node"])

    # ----------------------------------------------------------------- the ladder

    def ladder_start(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Make the six models."""
        settings = order["settings"]
        self.ladder = LadderRun(self.documents(settings), self.config(settings))
        return self.ladder.about()

    def ladder_step(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """A step of each model; every some steps with the loss on documents held out."""
        if self.ladder is None:
            raise WorkloadError("the ladder is not there yet: start it")
        return self.ladder.step()

    # ----------------------------------------------------------------- an engine of one's own

    def compare(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Make the engine's model and the reference's from the same settings; both are stepped by ``compare_step``."""
        settings = order["settings"]
        answer = self.start(order)
        self.other = Model("reference", self.documents(settings), **_options(self.config(settings)))
        with failures_of(self.engine):
            mine, theirs = self.the_model().trainer.gradients(), self.other.trainer.gradients()
        answer["gradients"] = max(
            abs(x - y) for name in theirs for rows in zip(mine[name], theirs[name]) for x, y in zip(*rows)
        )
        return answer

    def compare_step(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """A step of both."""
        assert self.other is not None
        mine = self.step({})
        return {**mine, "reference": self.other.trainer.step().loss.hex()}

    # ----------------------------------------------------------------- the race

    def documents_text(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """The settings' documents, one a line, for a competitor that is not Python."""
        return {"text": "\n".join(self.documents(order["settings"]))}

    def verdict(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Two lists of losses as float.hex, in words."""
        parity, words = verdict(order["reference"], order["losses"])
        return {"parity": parity, "words": words}

    def paired(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """How many times as fast, paired step by step, with the interval over rounds: (rounds, steps) each."""
        return paired_ratio(order["baseline"], order["times"])


def _options(config: Config) -> Dict[str, Any]:
    """The configuration as Model takes it."""
    return {name: getattr(config, name) for name in (*config.record(), *OPTIONS)}


def field_of(message: str, order: str) -> Optional[str]:
    """The field that a message is about: the first one that it names."""
    if order == "generate" and "is not in the training data" in message:
        return "prefix"
    if "parameters is too large" in message:
        return "n_embd"
    words = message.replace(",", " ").replace(":", " ").split()
    if any(phrase in message for phrase in ("the text", "dataset", "documents")) and "validation" not in message:
        return "data"
    known = {*Config.__dataclass_fields__, "steps", "temperature", "number", "prefix", "top_k"}
    found = next((word for word in words if word in known), None)
    return "steps" if found == "schedule_steps" else found


def answer(playground: Playground, order_text: str) -> str:
    """One order carried out: {"result": …}, or {"error": one line, "field": its field, "fault": whether it is ours}."""
    order = json.loads(order_text)
    try:
        do: Callable[[Dict[str, Any]], Dict[str, Any]] = getattr(playground, order["do"])
        return json.dumps({"result": do(order)}, allow_nan=False)
    except engines.EngineError as error:
        return json.dumps({"error": str(error), "field": "engine", "fault": False})
    except WorkloadError as error:
        return json.dumps({"error": str(error), "field": field_of(str(error), order["do"]), "fault": False})
    except MemoryError:
        return json.dumps({"error": "the memory is full: choose a smaller model", "field": "n_embd", "fault": False})
    except Exception as error:
        return json.dumps({"error": f"{type(error).__name__}: {error}", "field": None, "fault": True})
