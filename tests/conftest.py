"""Settings and fixtures of the whole suite. Imports nothing heavy: many tests need no torch."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

# Read when the libraries are first imported, so set before any test module is.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("GENDSL_VERIFY", "1")

# A shell that starts the suite in the background has it ignore interrupts, which tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the data sets that are not in the repository; skips where there is none."""
    named = os.environ.get("GENDSL_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no data sets: GENDSL_DATA is {'not a folder' if named else 'not set'}")
    return folder
