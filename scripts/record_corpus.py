"""Record the histories of the replay corpus with this version of the engine, once: later versions must replay them.

    python -m scripts.record_corpus

A file that is there is left alone; a new version, or ``--name``, makes another one.
"""

from __future__ import annotations

import argparse
import json
import sys

from planar._version import VERSION
from tests.scenario.corpus.history import FOLDER, to_json
from tests.scenario.corpus.recording import record


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.record_corpus")
    parser.add_argument("--name", default=VERSION, help="of the file; the version by default")
    path = FOLDER / f"{parser.parse_args().name}.json"
    if path.exists():
        print(f"{path.name} exists, and is kept as it is: it is what that version recorded.")
        return 1
    histories = [to_json(history) for history in record(VERSION)]
    text = json.dumps({"version": VERSION, "histories": histories}, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
    print(f"{path.name}: {len(histories)} histories, {sum(len(run['steps']) for each in histories for run in each['runs'])} steps")
    return 0


if __name__ == "__main__":
    sys.exit(main())
