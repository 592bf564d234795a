"""The systems that are compared, and how a process of each is started."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BENCH = ROOT / ".bench"
PEERS = BENCH / "peers" / "bin" / "python"
FIRST_USE = BENCH / "first_use"

THREADS = {f"{n}_NUM_THREADS": "1" for n in ("OMP", "OPENBLAS", "MKL", "NUMBA")}


@dataclass(frozen=True)
class System:
    """A system, in one of its settings.

    Attributes:
        title: in the table.
        module: the file that runs it.
        packages: what its environment must have.
        first: the file that fills its caches with what belongs to no model, if there is such.
        variant: the setting.
    """

    title: str
    module: str
    packages: tuple[str, ...]
    first: str = ""
    variant: str = ""

    @property
    def python(self):
        return Path(sys.executable) if self.is_own else PEERS

    @property
    def is_own(self):
        return self.module.startswith("side_")


NUTPIE = ("nutpie", "pymc", "numba", "jax")

SYSTEMS = {
    "gendsl": System("gendsl", "side_gendsl.py", (), "first_gendsl.py"),
    "stan": System("Stan (PyStan)", "peer_stan.py", ("stan",)),
    "nutpie": System("nutpie", "peer_nutpie.py", NUTPIE, "first_nutpie.py"),
    "nutpie_low_rank": System(
        "nutpie, low rank", "peer_nutpie.py", NUTPIE, "first_nutpie.py", "low_rank"
    ),
    "numpyro": System("NumPyro", "peer_numpyro.py", ("numpyro",)),
}


def lacking(system):
    """Why it cannot run, in words; None if it can."""
    if not system.python.is_file():
        return f"there is no environment of the peers ({PEERS.relative_to(ROOT)})"
    if not system.packages:
        return None
    test = "import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, sys.argv[1:])))"
    done = subprocess.run([system.python, "-c", test, *system.packages], check=False)
    return f"it lacks {' or '.join(system.packages)}" if done.returncode else None


def variables(system, cache):
    """The environment of a process: one thread for each chain, all caches in one folder."""
    places = {
        "XDG_CACHE_HOME": str(cache),
        "GENDSL_CACHE": str(cache / "gendsl"),
        "PYTENSOR_FLAGS": f"base_compiledir={cache / 'pytensor'}",
    }
    own = {"PYTHONPATH": str(ROOT)} if system.is_own else {}
    return {**os.environ, **THREADS, **places, **own}


def fresh(cache, system):
    """A folder for caches: empty, but for what belongs to no model."""
    shutil.rmtree(cache, ignore_errors=True)
    if not system.first:
        return
    kept = FIRST_USE / system.first.removesuffix(".py")
    if not (kept / "done").is_file():
        shutil.rmtree(kept, ignore_errors=True)
        command = [system.python, HERE / system.first]
        done = subprocess.run(
            command, env=variables(system, kept), capture_output=True, check=False
        )
        if done.returncode:
            print(f"{system.title} starts from empty caches: they could not be filled")
            return
        (kept / "done").touch()
    shutil.copytree(kept, cache)


def run_process(system, folder, work, seeds, protocol, seconds):
    """Run a process of a system; it is ended when its time is over.

    Returns:
        None, or why it did not come to its end.
    """
    cache = work / "cache"
    fresh(cache, system)
    command = [system.python, HERE / system.module, folder, work, "--seeds", *map(str, seeds)]
    for name, value in protocol.items():
        if value is not False:
            command += [f"--{name}", *([] if value is True else [str(value)])]
    if system.variant:
        command += ["--variant", system.variant]
    with (work / "output.txt").open("w", encoding="utf-8") as sink:
        process = subprocess.Popen(
            [str(part) for part in command],
            env=variables(system, cache),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,  # so that all that it starts can be ended
        )
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return f"over budget ({how_far(work)})"
        finally:
            end(process)
            shutil.rmtree(cache, ignore_errors=True)
    if process.returncode:
        said = (work / "output.txt").read_text(encoding="utf-8", errors="replace").strip()
        return f"failed: {said.splitlines()[-1] if said else process.returncode}"
    return None


def how_far(work):
    """What a process had done when it was ended."""
    said = (work / "output.txt").read_text(encoding="utf-8", errors="replace")
    told = [line for line in said.splitlines() if line.startswith("compiled in ")]
    return f"{told[0]}, then cut while it sampled" if told else "cut while it compiled"


def end(process):
    """End it and what it started, and wait for it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
