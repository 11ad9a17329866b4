"""What does it cost to import Planar, and to ask the command line for its version?

    python benchmarks/import_time.py [--runs 11]

Prints the CPU time of `from planar import PlanarApp` as a ratio to that of `import fastapi, sqlmodel`, which every such app pays anyway
(target: 1.3), and how long `planar --version` takes (target: 0.5 s). Bytecode is present, and the best of the runs counts: what else the
machine does only adds. It judges nothing; the exit code is 0.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

FLOOR = "import fastapi, sqlmodel"
OURS = "from planar import PlanarApp"
VERSION = [sys.executable, "-m", "planar.cli", "--version"]

TARGET_RATIO = 1.3
TARGET_SECONDS = 0.5


def cpu_seconds(statement: str) -> float:
    """The CPU time, user and system, of a fresh interpreter that executes *statement*; starting the interpreter is left out."""
    measured = "import time; before = time.process_time(); {}; print(time.process_time() - before)"
    # A process that may write bytecode, whatever the shell says: without it every run would compile everything again.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run([sys.executable, "-c", measured.format(statement)], env=environment, check=True, capture_output=True, text=True)
    return float(done.stdout)


def wall_seconds(command: list[str]) -> float:
    """How long *command* takes from its start to its end."""
    before = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - before


def main() -> None:
    parser = argparse.ArgumentParser(description="What importing Planar costs.")
    parser.add_argument("--runs", type=int, default=11, help="how often each is measured; the best counts")
    runs = max(1, parser.parse_args().runs)
    for statement in (FLOOR, OURS):
        cpu_seconds(statement)  # writes the bytecode
    # In turns, so that a busy minute of the machine hurts both.
    pairs = [(cpu_seconds(FLOOR), cpu_seconds(OURS)) for _ in range(runs)]
    floor, ours = (min(times) for times in zip(*pairs, strict=True))
    version = min(wall_seconds(VERSION) for _ in range(runs))
    print(f"{FLOOR}: {floor:.3f} s CPU")
    print(f"{OURS}: {ours:.3f} s CPU, {ours / floor:.2f} times as much (target {TARGET_RATIO})")
    print(f"planar --version: {version:.3f} s (target {TARGET_SECONDS})")


if __name__ == "__main__":
    main()
