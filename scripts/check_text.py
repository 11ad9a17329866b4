"""Does any text of the repository belong to one machine, or is any of it unfinished?

Looked for in every file that Git knows or would add: addresses of package registries and of single archives, paths of a home
folder, of a temporary folder or of this checkout, and marks of unfinished work in the package.

    python scripts/check_text.py
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Folders that every machine has: a text may name them, even if the checkout stands in one.
ORDINARY = {Path(name) for name in ("/", "/tmp", "/var", "/var/tmp", "/opt", "/srv", "/usr", "/app")}


@dataclass(frozen=True)
class Rule:
    pattern: re.Pattern[str]
    remedy: str
    names: str = "*"
    """In which files: a pattern for their names from the root of the repository."""


def rules(root: Path) -> list[Rule]:
    """Each pattern is written so that it does not match itself."""
    found = [
        Rule(re.compile(r"\bindex[-_]url\b|\bfind[-]links\b"), "Which registry serves packages is the machine's business."),
        Rule(re.compile(r"\"resolved[\"]: *\"http|^(?:registry|source) *=.*http"), "Keep plain versions, not where packages came from."),
        Rule(re.compile(r"https?://[^ \"'<>]*\.(?:whl|tgz|tar\.gz)"), "Name a package and its version instead of an archive."),
        Rule(re.compile(r"(?<![\w.])/(?:home|Users)/[\w.-]+/|(?<![\w.])/root[/]"), "A path of one machine: make it relative."),
        Rule(re.compile(r"^(?:<{7}|>{7}) "), "Decide between the two texts of a merge."),
        Rule(re.compile(r"\b(?:TODO|FIXME|XXX)\b"), "Finish it, or leave it out and open an issue.", names="src/*.py"),
    ]
    places = sorted({root, root.parent} - ORDINARY)
    return found + [
        Rule(re.compile(rf"(?<![\w.]){re.escape(str(place))}/"), "A path of this machine: make it relative.") for place in places
    ]


def texts(root: Path) -> Iterator[tuple[str, str]]:
    """The name and the text of every file that is, or would be, in the repository; binary files are passed over."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listing = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    for name in sorted(set(listing.split("\0")) - {""}):
        try:
            yield name, (root / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue


def findings(name: str, text: str, wanted: list[Rule]) -> Iterator[str]:
    for rule in wanted:
        if not fnmatch(name, rule.names):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if rule.pattern.search(line):
                yield f"{name}:{number}: {line.strip()[:120]}\n    {rule.remedy}"


def main() -> int:
    wanted = rules(ROOT)
    found = [finding for name, text in texts(ROOT) for finding in findings(name, text, wanted)]
    for finding in found:
        print(finding)
    print(f"Repository text: {len(found)} findings.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
