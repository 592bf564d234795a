"""The command line: ``gendsl COMMAND ...``.

Imports as little as it can; each command imports what it needs when it is used.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import NoReturn

from gendsl import __version__, interrupts
from gendsl.commands.arguments import Command, UsageError, read_arguments
from gendsl.commands.reporting import say, show_error
from gendsl.diagnostics import GenError, nearest

__all__ = ["COMMANDS", "HELP", "main"]

COMMANDS = {
    "check": "find every mistake in model files",
    "fmt": "write model files in the canonical layout",
    "show": "print any stage of a model: ast, ir, graph, plan, program",
    "compile": "write the Pyro program of a model",
    "fit": "infer the unknowns of a model from data",
    "calibrate": "check the inference of a model on data drawn from it",
    "predict": "predict with a fitted model, for new data",
    "score": "print how probable rows are under a fitted model",
    "encode": "write the codes of rows under a learned guide",
    "generate": "write new rows of a learned model",
    "summary": "print the table and the verdict of a fitted model",
    "plot": "draw the plate diagram of a model, or the results of a fit or calibration",
    "explain": "explain an error code, a distribution, a function or a method",
}
"""Every command with what it does; `gendsl.commands` has a module for each."""

EXAMPLE = """\
# eight_schools.gen
model EightSchools
plate school
input sigma[school]: positive
latent mu ~ Normal(0, 5)
latent tau ~ HalfCauchy(5)
latent theta[school] ~ Normal(mu, tau)
observe y[school] ~ Normal(theta, sigma)"""

HELP = f"""\
gendsl: a declarative probabilistic programming language, compiled to Pyro

usage: gendsl COMMAND [arguments] [options]

A .gen file says what is random, what is observed and how things depend on each other:

{chr(10).join("  " + line for line in EXAMPLE.splitlines())}

Given schools.csv with the columns y and sigma, a session is:

  gendsl check eight_schools.gen                     # every mistake, before any data is read
  gendsl fit eight_schools.gen --data schools.csv --out run
  gendsl plot run                                    # pictures in run/plots
  gendsl predict run --data new_schools.csv

commands:
{chr(10).join(f"  {name:<9} {what}" for name, what in COMMANDS.items())}

  gendsl COMMAND --help explains a command and shows examples; gendsl --version prints the version.

exit status:
  0    done
  1    the model or the data are wrong, or a file could not be written
  2    the command line is not understood
  3    done, but the result must not be trusted: the verdict says why
  70   a mistake of gendsl's own: please report it
  130  interrupted
"""

INTERRUPTED, PIPE_CLOSED, TERMINATED, INTERNAL = 130, 141, 143, 70


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status, whatever happens; messages are in words."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        # Names of files and labels may hold what the terminal cannot show.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    status = _guarded(lambda: _dispatch(given))
    if arguments is None and status in (INTERRUPTED, TERMINATED):
        _end(status)
    return status


def _end(status: int) -> NoReturn:
    """End the process now, with this status.

    CPython remembers an interrupt that has hit generated code (`exec`), and kills itself with the
    signal when it ends, although the interrupt has been dealt with.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def _dispatch(given: list[str]) -> int:
    if not given:
        say(HELP)
        return 2
    first, *rest = given
    if first == "--version":
        print(f"gendsl {__version__}")
        return 0
    if first == "help" and rest:
        first, rest = rest[0], ["--help"]
    if first in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    command = _command(first)
    found = read_arguments(command, rest)
    if isinstance(found, str):
        print(found, end="")
        return 0
    try:
        return command.run(found)
    except UsageError as error:
        raise UsageError(error.message, command.name) from error


def _command(name: str) -> Command:
    if name not in COMMANDS:
        what = "option" if name.startswith("-") else "command"
        near = nearest(name, ["--help", "--version"] if name.startswith("-") else COMMANDS)
        if near is None and (name.endswith(".gen") or os.path.exists(name)):
            near = f"gendsl fit {name}"
        remedy = f"did you mean `{near}`?" if near else f"there are {', '.join(COMMANDS)}"
        raise UsageError(f"there is no {what} `{name}`; {remedy}")
    module = import_module(f"gendsl.commands.{name}")
    command: Command = module.COMMAND
    return command


def _guarded(action: Callable[[], int]) -> int:
    """The status of `action`, whatever happens in it, with a message in words."""
    try:
        with warnings.catch_warnings():
            if not _debugging():  # libraries warn of themselves, which helps no user of ours
                warnings.simplefilter("ignore")
            with _ending_cleanly():
                status = action()
        sys.stdout.flush()
    except UsageError as error:
        command = f" {error.command}" if error.command else ""
        say(f"gendsl{command}: {error.message}\nsee `gendsl{command} --help`")
        return 2
    except GenError as error:
        show_error(error)
        return 1
    except _Terminated:
        say("gendsl: terminated; nothing was written")
        return TERMINATED
    except KeyboardInterrupt:
        say("gendsl: interrupted; nothing was written")
        return INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return PIPE_CLOSED
    except Exception as error:
        return _unforeseen(error)
    return status


class _Terminated(KeyboardInterrupt):
    """SIGTERM, treated as an interrupt is: drafts are removed and workers are stopped."""


@contextmanager
def _ending_cleanly() -> Iterator[None]:
    def stop(number: int, frame: object) -> NoReturn:
        interrupts.note(_Terminated)
        raise _Terminated

    def interrupt(number: int, frame: object) -> NoReturn:
        interrupts.note(KeyboardInterrupt)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop), signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
        interrupts.clear()


def _debugging() -> bool:
    return os.environ.get("GENDSL_DEBUG") == "1"


def _unforeseen(error: Exception) -> int:
    """One line for what no command expects: the machine's refusals, or a mistake of ours."""
    if _debugging():
        raise error
    if isinstance(error, OSError):
        _discard_output()
        name = f": {error.filename}" if error.filename else ""
        say(f"gendsl: the system refused: {error.strerror or error}{name}")
        return 1
    if isinstance(error, MemoryError):
        say("gendsl: there is not enough memory")
        return 1
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("gendsl"):
        say(f"gendsl: the package {error.name} is missing; install gendsl with its dependencies")
        return 1
    first = (str(error).strip().splitlines() or ["no message"])[0]
    say(
        f"gendsl: internal error, {type(error).__name__}: {first[:300]}. This is a mistake of "
        f"gendsl {__version__}, not yours: please report it with the command and the model. "
        "GENDSL_DEBUG=1 shows where it happened."
    )
    return INTERNAL


def _discard_output() -> None:
    """Keep Python from complaining, when it ends, of a reader that has gone."""
    try:
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        return


if __name__ == "__main__":
    sys.exit(main())
