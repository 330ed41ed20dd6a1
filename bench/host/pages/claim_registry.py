"""The registry of claims, ``claims.toml`` beside this file: read and checked. The head of that file describes its format."""

from __future__ import annotations

import dataclasses
import math
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import engines
from bench.host.results import builds
from bench.host.results.records import REFERENCE
from bench.host.system import toml_file
from bench.host.system.errors import UsageError
from bench.host.system.toml_file import check_keys
from bench.workload.config import OPTIONS, Config
from bench.workload.experiments import WAYS

PATH = pathlib.Path(__file__).with_name("claims.toml")
LONGEST = 120  # characters of a quotation: a line, no more
TENTH = 0.1  # a claim of one number, "8x", is met within this share of it

SWITCHES = [name for name in OPTIONS if getattr(Config, name) is False]  # training options that are on or off
EXPERIMENTS = ("depth", "stability_improbable", "stability_probable")
# by rule: the keys that it needs, and those that it may have
RULES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "speedup": (("engine",), ("over", "runtime")),
    "nodes": (("engine",), ()),
    "memory": (("engine",), ("over",)),
    "collector": (("engine",), ()),
    "parameters": (("option",), ()),
    "ms_per_step": (("engine", "runtime"), ()),
    "runtimes": (("runtime", "base"), ("engine", "differ", "needs")),
    "peer": (("peer",), ("engine", "runtime", "over_peer", "needs")),
    "experiment": (("experiment",), ()),
    "sums": (("way", "over_way"), ()),
    "untestable": (("why",), ()),
}
NUMBERLESS = ("experiment", "untestable")  # rules of which no number is claimed
ALWAYS, SOMETIMES = (
    ("id", "source", "topic", "about", "quote", "workload", "rule"),
    ("note", "command", "claimed", "above"),
)


@dataclasses.dataclass(frozen=True)
class Source:
    """Who says it: ``name``; ``address`` where it is read; ``revision`` and ``date`` of what was read, each "" if unknown."""

    name: str
    address: str = ""
    revision: str = ""
    date: str = ""


@dataclasses.dataclass(frozen=True)
class Claim:
    """One claim and what would confirm it. ``low`` and ``high`` bound what is claimed; ``above``: it says only "more than low".

    ``note``: what here stands for it, where that is not the thing itself; ``command``: makes the run that has it, where the
    rule alone does not tell.
    """

    id: str
    source: Source
    topic: str
    about: str
    quote: str
    workload: str
    rule: str
    low: float = 0.0
    high: float = math.inf
    above: bool = False
    engine: str = REFERENCE
    over: str = REFERENCE
    runtime: str = ""
    base: str = ""
    peer: str = ""
    over_peer: str = ""
    experiment: str = ""
    option: str = ""
    way: str = ""
    over_way: str = ""
    differ: tuple[str, ...] = ()
    needs: str = ""
    why: str = ""
    note: str = ""
    command: str = ""


@dataclasses.dataclass(frozen=True)
class Registry:
    """All claims, in the file's order, and the headings of their topics."""

    sources: dict[str, Source]
    topics: dict[str, str]
    claims: list[Claim]


def load(path: pathlib.Path = PATH) -> Registry:
    """The registry in a file. Raises UsageError, one line that names the claim, for whatever is wrong with it."""
    content = toml_file.read(path)
    check_keys(str(path), content, ["sources", "topics", "claims"])
    for part, kind in (("sources", dict), ("topics", dict), ("claims", list)):
        if not isinstance(content.get(part), kind) or not content[part]:
            written = "[[claims]]" if part == "claims" else f"[{part}]"
            raise UsageError(f"{path} has no {part}: write {written}, as the head of {PATH.name} says")
    sources = {key: _source(f"{path}: source {key}", about) for key, about in content["sources"].items()}
    topics = {key: _text(f"{path}: topics", content["topics"], key) for key in content["topics"]}
    claims: list[Claim] = []
    for number, about in enumerate(content["claims"], 1):
        where = f"{path}: claim {number}"
        if not isinstance(about, dict):
            raise UsageError(f"{where} is not a table: write [[claims]]")
        claims.append(_claim(where, about, sources, topics))
        if claims[-1].id in [claim.id for claim in claims[:-1]]:
            raise UsageError(f"{where} has the id {claims[-1].id!r} of another one: each claim needs its own")
    if unused := [key for key, source in sources.items() if source not in [claim.source for claim in claims]]:
        raise UsageError(f"{path}: source {unused[0]} has no claim: add one or take it out")
    return Registry(sources, topics, claims)


def _source(where: str, about: Any) -> Source:
    if not isinstance(about, dict):
        raise UsageError(f"{where} is not a table: write [sources.NAME]")
    fields = [field.name for field in dataclasses.fields(Source)]
    check_keys(where, about, fields)
    if "name" not in about:
        raise UsageError(f"{where} lacks the key name")
    if about.get("address", "https://").partition(":")[0] not in ("http", "https"):
        raise UsageError(f"{where}: address is {about['address']!r}: give one that starts with https://, or none")
    return Source(**{key: _text(where, about, key) for key in about})


def _text(where: str, table: Mapping[str, Any], key: str) -> str:
    value = table[key]
    if not isinstance(value, str) or not value.strip() or "\n" in value:
        raise UsageError(f"{where}: {key} is {value!r:.60}, not a line of text")
    return value


def _claim(where: str, about: Mapping[str, Any], sources: Mapping[str, Source], topics: Mapping[str, str]) -> Claim:
    where += f" ({about['id']})" if isinstance(about.get("id"), str) else ""
    for key in ALWAYS:
        if key not in about:
            raise UsageError(f"{where} lacks the key {key}")
    texts = {key: _text(where, about, key) for key in about if key not in ("claimed", "above", "differ")}
    for key, known in (("source", sources), ("topic", topics), ("rule", RULES)):
        if texts[key] not in known:
            raise UsageError(f"{where}: no {key} {texts[key]!r}: choose from {', '.join(known)}")
    needed, optional = RULES[texts["rule"]]
    check_keys(f"{where}, rule {texts['rule']},", about, [*ALWAYS, *SOMETIMES, *needed, *optional])
    if missing := [key for key in needed if key not in about]:
        raise UsageError(f"{where} lacks the key {missing[0]}, which the rule {texts['rule']} needs")
    _check_words(where, texts)
    differ = about.get("differ", [])
    if not isinstance(differ, list) or not all(trait in builds.TRAITS for trait in differ):
        raise UsageError(f"{where}: differ is {differ!r}: give a list of {', '.join(builds.TRAITS)}")
    numbers = _numbers(where, texts["rule"], about)
    texts["source"] = sources[texts["source"]]  # type: ignore[assignment]
    return Claim(**texts, **numbers, differ=tuple(differ))  # type: ignore[arg-type]


def _check_words(where: str, texts: Mapping[str, str]) -> None:
    """The quotation, the engines, the experiment and the option are ones that there are."""
    if not re.fullmatch(r"[a-z0-9-]+", texts["id"]):
        raise UsageError(f"{where}: the id {texts['id']!r} is not of small letters, digits and hyphens")
    if len(texts["quote"]) > LONGEST:
        raise UsageError(f"{where}: the quote has {len(texts['quote'])} characters: quote at most {LONGEST}")
    for key in ("engine", "over"):
        if key in texts:
            try:
                engines.check_name(texts[key])
            except engines.EngineError as error:
                raise UsageError(f"{where}: {error}") from None
    for key, known in (("experiment", EXPERIMENTS), ("option", SWITCHES), ("way", [*WAYS]), ("over_way", [*WAYS])):
        if key in texts and texts[key] not in known:
            raise UsageError(f"{where}: no {key} {texts[key]!r}: choose from {', '.join(known)}")


def _numbers(where: str, rule: str, about: Mapping[str, Any]) -> dict[str, float | bool]:
    """What is claimed, as bounds: `claimed = 8`, `claimed = [1.1, 1.6]` or `above = 1`."""
    given = [key for key in ("claimed", "above") if key in about]
    if rule in NUMBERLESS:
        if given:
            raise UsageError(f"{where}: the rule {rule} claims no number: take out {given[0]}")
        return {}
    if len(given) != 1:
        raise UsageError(f"{where} needs one of the keys claimed and above, and has {' and '.join(given) or 'none'}")
    value = about[given[0]]
    values = value if isinstance(value, list) and given == ["claimed"] else [value]
    good = all(isinstance(one, (int, float)) and not isinstance(one, bool) and 0 <= one < 1e9 for one in values)
    if not good or len(values) not in (1, 2) or values != sorted(values):
        raise UsageError(f"{where}: {given[0]} is {value!r:.60}: give a number from 0 on, or claimed = [low, high]")
    if given == ["above"]:
        return {"low": float(value), "above": True}
    low, high = values if len(values) == 2 else (value * (1 - TENTH), value * (1 + TENTH))
    return {"low": float(low), "high": float(high)}
