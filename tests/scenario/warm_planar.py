"""The command `planar`, and programs that use it, without its imports: a process has made them, and forks for each call.

``python warm_planar.py`` reads lines of JSON, ``[program, arguments, folder, variables, file for the output, file for errors]``, carries
each out, and answers with its exit code. For what ends by itself: a fork of that process is nobody's child who could kill it.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from functools import cache
from pathlib import Path
from typing import NoReturn


@cache
def _warm() -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    atexit.register(process.stdin.close)
    return process


def run_planar(arguments: list[str], folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What `planar` with *arguments*, called in *folder* with the environment *variables*, prints, and how it ends."""
    return _call("", arguments, folder, variables)


def run_program(program: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What the Python file *program*, called in its folder with the environment *variables*, prints, and how it ends."""
    return _call(str(program), [], program.parent, variables)


def _call(program: str, arguments: list[str], folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    warm = _warm()
    assert warm.stdin is not None
    assert warm.stdout is not None
    with tempfile.NamedTemporaryFile("r") as output, tempfile.NamedTemporaryFile("r") as errors:
        print(json.dumps([program, arguments, str(folder), variables, output.name, errors.name]), file=warm.stdin, flush=True)
        code = int(warm.stdout.readline())
        return subprocess.CompletedProcess([program or "planar", *arguments], code, output.read(), errors.read())


def become(program: str, arguments: list[str], folder: str, variables: dict[str, str], output: str, errors: str) -> NoReturn:
    """Be *program*, or the command, from here to the end of this process."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    for number, name, how in ((0, os.devnull, os.O_RDONLY), (1, output, os.O_WRONLY), (2, errors, os.O_WRONLY)):
        os.dup2(os.open(name, how), number)
    sys.argv = [program or "planar", *arguments]
    code = 0
    try:
        if program:
            sys.path[0] = folder
            runpy.run_path(program, run_name="__main__")
        else:
            main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def carry_out(told: str) -> int:
    """The exit code of the call in the line *told*."""
    child = os.fork()
    if child == 0:
        become(*json.loads(told))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    import alembic.autogenerate  # noqa: F401 - which the commands for migrations load

    from planar import PlanarApp
    from planar.cli import main

    # What the first app of a process imports and computes is there for each fork.
    PlanarApp()
    for line in sys.stdin:
        print(carry_out(line), flush=True)
