"""What does a settings file say, and on which line? YAML in, plain data and places out, variables replaced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from planar import lazy
from planar.config.errors import InvalidConfigurationError
from planar.config.variables import MalformedReference, UnsetVariable, expand, is_single_reference

if TYPE_CHECKING:
    import yaml
else:
    yaml = lazy.yaml()

Path: TypeAlias = tuple[str | int, ...]
"""Where a value stands: the keys and list positions that lead to it."""

_TEXT = "tag:yaml.org,2002:str"


@dataclass(frozen=True)
class Document:
    """The data of one settings text, with the line on which each value stands."""

    source: str
    data: dict[str, Any]
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int | None:
        """The line of the value at *path*, or of the nearest one around it; None if nothing of it is in this text."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return None


def dotted(path: Path) -> str:
    """*path* as people write it: ``db_connections.app.path``, ``cors.allow_origins[1]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_document(text: str, source: str, variables: Mapping[str, str]) -> Document:
    """The settings in *text*; *source* names it in errors.

    Raises:
        InvalidConfigurationError: it is no YAML, not a mapping of texts, has a key twice, or refers to a variable that is not
            set. The message gives the place and never a value.
    """
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        reader = _Reader(loader, source, variables)
        data = reader.value(node, ()) if node is not None else None
    except yaml.YAMLError as error:
        # Its own text quotes the line, which may hold a password.
        raise InvalidConfigurationError(f"Error parsing override configuration file {source}: {_yaml_problem(error, text)}") from None
    reader.report()
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise InvalidConfigurationError(f"{source}: the settings must be a mapping of keys to values, not {type(data).__name__}.")
    return Document(source, cast("dict[str, Any]", data), reader.lines)


def _yaml_problem(error: yaml.YAMLError, text: str) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return "this is not YAML text"
    mark = error.problem_mark
    line = "".join(text.splitlines()[mark.line : mark.line + 1])
    hint = " (between braces or brackets, put ${NAME} in quotes)" if "${" in line else ""
    return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}{hint}"


@dataclass
class _Reader:
    """Walks the nodes of one text once, and notes lines and faults on the way."""

    loader: yaml.SafeLoader
    source: str
    variables: Mapping[str, str]
    lines: dict[Path, int] = field(default_factory=dict[Path, int])
    faults: list[str] = field(default_factory=list[str])
    _open: set[int] = field(default_factory=set[int])

    def value(self, node: yaml.Node, path: Path) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if id(node) in self._open:
            raise yaml.MarkedYAMLError(problem="an alias that contains itself", problem_mark=node.start_mark)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            return [self.value(item, (*path, place)) for place, item in enumerate(cast("list[yaml.Node]", node.value))]
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        self._refuse_repeats(node, path)
        self.loader.flatten_mapping(node)
        result: dict[str, Any] = {}
        for key_node, value_node in cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
            key: object = key_node.value
            if key_node.tag != _TEXT or not isinstance(key, str):
                raise yaml.MarkedYAMLError(problem="a key must be text; put it in quotes", problem_mark=key_node.start_mark)
            self.lines[(*path, key)] = key_node.start_mark.line + 1
            result[key] = self.value(value_node, (*path, key))
        return result

    def _refuse_repeats(self, node: yaml.MappingNode, path: Path) -> None:
        """YAML itself keeps the last of two equal keys; somebody's change would be lost without a word."""
        seen: set[str] = set()
        for key_node, _ in cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
            key = str(key_node.value)
            if key in seen:
                self._fault((*path, key), "the key stands there twice", key_node.start_mark.line + 1)
            seen.add(key)

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        value: object = cast("Any", self.loader).construct_object(node)
        if not isinstance(value, str):
            return value
        try:
            expanded = expand(value, self.variables)
        except UnsetVariable as missing:
            self._fault(path, f"the environment variable {missing.name} is not set")
            return value
        except MalformedReference as error:
            self._fault(path, str(error))
            return value
        return None if not expanded and node.style is None and is_single_reference(value) else expanded

    def _fault(self, path: Path, what: str, line: int | None = None) -> None:
        self.faults.append(f"  line {line or self.lines[path]}: {dotted(path)}: {what}")

    def report(self) -> None:
        """Raise what was noted, all of it at once."""
        if self.faults:
            raise InvalidConfigurationError("\n".join([f"{self.source} cannot be used:", *self.faults]))
