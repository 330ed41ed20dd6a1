"""The command line: ``microgpt-bench``, the same as ``python -m bench``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import click

import engines
from bench.cli import ending
from bench.cli.ending import INTERRUPTED, OK
from bench.host.system.errors import Interrupted, UsageError
from bench.workload.config import WorkloadError

# A command's module in this package, and the first sentence of its help: the list of all is shown without importing them.
COMMANDS = {
    "bisect": "Find the commit, or the build of Python, that changed an engine's speed, by the gate's verdict at each step.",
    "breakdown": "Write the page of where the time of a run's steps goes, by what the interpreter does and by phase.",
    "calibrate": "Measure the gate on this machine: its false alarms, and the smallest slowdown that it detects.",
    "check": "The gate: has an engine become slower, or wrong?",
    "claims": "Write the page that compares others' claims with runs and with experiments on the first one's runtimes.",
    "compare": "Compare two runs, two runtimes of one, or two pyperf files: how many times as fast the second is.",
    "count": "Add exact counters to a run: instructions, nodes, memory and garbage collection per step.",
    "engines": "List the engines: the parent of each, what it changes, and the parity it promises.",
    "explain": "Write the page that explains the engines: what each does, its speedup in a run, and where its time goes.",
    "generate": "Draw samples from a saved model, or from one that is trained first. --seed also sets the random draws.",
    "history": "List the runs on disk with chosen ratios, and the runs at which a ratio changed.",
    "interactions": "Count every combination of the scalar optimizations, time a balanced part of them, and say what pays together.",
    "ladder": "Train each model of the ladder, from counting letter pairs to the GPT, and print what each step up brings.",
    "merge": "Join runs of one plan, or parts of it, into one run with a level for machines, and print its tables.",
    "peers": "Time other programs together with the engines, and check every loss that they print.",
    "profile": "Profile an engine: print its top functions and write a flame graph that opens in a browser.",
    "report": "Write a run as one HTML file, which needs no other file and no network.",
    "run": "Measure engines on runtimes in lockstep and print the tables.",
    "scale": "Measure how each engine's time grows with the model: one size at a time, all sizes of an engine in lockstep.",
    "show": "Print a run's tables again. RUN is a folder, the name of one under results/, or 'latest' for the latest run.",
    "threads": "Train several models at the same time, in threads and in processes: how much more gets done, with every loss proven.",
    "train": "Train in this interpreter and print what microgpt.py prints: the losses, then samples.",
    "warmup": "Show when each engine reaches its steady speed on each runtime, and its speedup before and after.",
}


class Commands(click.Group):
    """Imports a command when it is asked for: the libraries of all of them take longer than most commands."""

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command, or None where there is none of this name."""
        if name not in self.commands:
            return None
        command = importlib.import_module(f"bench.cli.{name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Their list in the help."""
        click.Group(commands=self.commands).format_commands(ctx, formatter)


@click.group(
    cls=Commands,
    commands={name: click.Command(name, help=about) for name, about in COMMANDS.items()},
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="microgpt-bench")
def cli() -> None:
    """What each way of writing a scalar autograd engine costs on each Python runtime, with proof that the losses agree.

    Exit status: 0 all measured and agreed, 1 a cell diverged, failed or broke its promise, 2 bad input, 70 an error of
    microgpt-bench itself, 130 interrupted; check has its own.
    """


def main() -> None:
    """Run the command line and end with its exit status."""
    ending.run(command)


def command() -> int:
    """The exit status of the command that the arguments ask for; one line on standard error for what the user can mend."""
    try:
        check_arguments(sys.argv[1:])
        return int(cli.main(prog_name="microgpt-bench", standalone_mode=False) or OK)
    except click.ClickException as error:
        return ending.say(error.format_message())
    except (UsageError, WorkloadError, engines.EngineError) as error:
        return ending.say(str(error))
    except (click.Abort, Interrupted):
        return INTERRUPTED
    except OSError as error:  # a full disk, for one: not a regression that 1 would stand for
        return ending.say(f"cannot go on: {error}")
    except SystemExit as ended:  # click's answer to a pipe that nobody reads is 1
        if isinstance(ended.__context__, OSError):
            return ending.say(f"cannot go on: {ended.__context__}")
        raise


def check_arguments(arguments: Sequence[str]) -> None:
    """Raises UsageError for an argument with what no name, path or text here may have: nobody could read it again."""
    for argument in arguments:
        if any("\ud800" <= character <= "\udfff" for character in argument):
            raise UsageError(f"the argument {argument!a:.100} is not UTF-8: rename the file, or write it in UTF-8")
        if any(ord(character) < 32 and character != "\t" for character in argument):
            raise UsageError(
                f"the argument {argument!a:.100} has a control character: leave it out, or rename the file"
            )
