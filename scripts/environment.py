"""Make, or mend, a virtual environment that holds Planar (editable), its tools and the exact versions of ``constraints.txt``.

    python scripts/environment.py .venv --extra dev

The second call is instant: a stamp in the environment says what it was made from. An environment that is half made, broken, or
made from something else is mended. Needs nothing but the standard library, since it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
import tomllib
import venv
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
PROJECT = ROOT / "pyproject.toml"
STAMP = "planar-environment"
PROBE = "import importlib.util as u, sys; sys.exit(any(u.find_spec(name) is None for name in ('planar', 'fastapi', 'pytest')))"


def fingerprint(extra: str) -> str:
    """What an environment depends on, as one digest: the interpreter, this checkout, and every line that pip reads."""
    project = tomllib.loads(PROJECT.read_text())
    inputs = {
        "python": [sys.version, sys.base_prefix],
        "checkout": str(ROOT),
        "extra": extra,
        "project": [project["build-system"], project["project"], project["tool"]["hatch"]],
        "constraints": CONSTRAINTS.read_text(),
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def interpreter(environment: Path) -> Path:
    return environment / "bin" / "python"


def runs(environment: Path, *arguments: str) -> bool:
    """Does the environment's interpreter run *arguments* with success?"""
    try:
        return subprocess.run([interpreter(environment), *arguments], capture_output=True, cwd=ROOT).returncode == 0
    except OSError:
        return False


def is_ready(environment: Path, wanted: str) -> bool:
    """Was the environment completed from these very inputs, and does it still work?"""
    stamp = environment / STAMP
    return stamp.is_file() and stamp.read_text() == wanted and runs(environment, "-c", PROBE)


def is_usable(environment: Path) -> bool:
    """Can pip go on in this environment? Not if its interpreter is gone or another one than ours."""
    same = f"import sys; sys.exit((sys.version, sys.base_prefix) != {(sys.version, sys.base_prefix)!r})"
    return runs(environment, "-c", same) and runs(environment, "-m", "pip", "--version")


def is_mended(environment: Path, extra: str) -> bool:
    """Does an installation on top of what is there succeed, and leave everything in its place?"""
    try:
        install(environment, extra)
    except subprocess.CalledProcessError:
        return False
    return runs(environment, "-c", PROBE)


def install(environment: Path, extra: str) -> None:
    """Install the tools of the build first, so that the second call needs no isolated environment with versions of its own."""
    pip = [
        interpreter(environment),
        "-m",
        "pip",
        "install",
        "-qq",
        "--disable-pip-version-check",
        "--constraint",
        CONSTRAINTS,
    ]
    subprocess.run([*pip, "hatchling", "editables"], check=True, cwd=ROOT)
    subprocess.run([*pip, "--no-build-isolation", "--editable", f".[{extra}]"], check=True, cwd=ROOT)


def prepare(environment: Path, extra: str) -> None:
    """Leave *environment* complete and stamped.

    Raises:
        subprocess.CalledProcessError: pip failed, even in a new environment.
    """
    wanted = fingerprint(extra)
    if is_ready(environment, wanted):
        return
    version = "{}.{}.{}".format(*sys.version_info[:3])
    name = environment.relative_to(ROOT)
    print(f"Setting up {name} with Python {version} (once; a minute or two)...", flush=True)
    (environment / STAMP).unlink(missing_ok=True)
    if not (is_usable(environment) and is_mended(environment, extra)):
        create(environment)
        install(environment, extra)
    (environment / STAMP).write_text(wanted)
    print(f"{name} is ready.", flush=True)


def create(environment: Path) -> None:
    if environment.exists():
        shutil.rmtree(environment)
    venv.create(environment, with_pip=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("environment", type=Path)
    parser.add_argument("--extra", default="dev", help="which extra of pyproject.toml to install: dev (default) or test")
    arguments = parser.parse_args()
    # Two makes at once wait for each other instead of filling one environment together: each environment has a byte of this file to
    # lock. Of this one, since nothing else here opens it: a lock of this kind ends when its process closes the file anywhere.
    with Path(__file__).open("r+") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX, 1, zlib.crc32(str(ROOT / arguments.environment).encode()))
        try:
            prepare(ROOT / arguments.environment, arguments.extra)
        except subprocess.CalledProcessError as error:
            print(f"{arguments.environment} could not be made: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
