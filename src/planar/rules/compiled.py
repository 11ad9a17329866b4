"""How is a graph evaluated? It is compiled once, and then run where its cost belongs: in place, or in a process
with limits.

The engine's synchronous call holds the interpreter's lock, so a thread of ours would stop the event loop just as well; and no thread
outlives the memory that an expression has filled.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final, NamedTuple

from pydantic import BaseModel

from planar import lazy
from planar.context import find_services
from planar.rules.config import RulesConfig
from planar.rules.costs import Cost, cost_of
from planar.rules.documents import document_text, plain_document, rule_document, with_digits, without_digits
from planar.rules.engine_errors import failed_evaluation
from planar.rules.errors import RuleCrashed, RuleTimeout
from planar.rules.graph import JDMGraph
from planar.rules.sandbox.pool import DraftPool, ScriptPool

MAIN: Final = "main"
KEPT: Final = 256
"""How many compiled graphs a process keeps."""
LARGE_INPUT: Final = 64 * 1024
"""Inputs of more characters are never evaluated in place."""


class Evaluation(NamedTuple):
    """What came out, how long the engine took (in its words), and what each node did, if that was asked for."""

    result: Any
    performance: str
    trace: dict[str, Any]


class CompiledGraph:
    """A graph, with those nested in it, ready to be evaluated.

    Args:
        what: what errors call it: the rule and its version.
        graph: the graph.
        nested: those that its nested decisions name, and those that these name, by name.
        output: the return type of the rule, whose decimals keep their digits.
        is_draft: whether nobody has promoted it: it is evaluated in a process with limits that is there for drafts,
            whatever it may cost.
    """

    def __init__(
        self,
        what: str,
        graph: JDMGraph,
        nested: Mapping[str, JDMGraph] | None = None,
        output: type[BaseModel] | None = None,
        *,
        is_draft: bool = False,
    ) -> None:
        self.what = what
        self.graph = graph
        inner = dict(nested or {})
        main = plain_document(graph) if output is None else rule_document(graph, output)
        # A rule may be called like the graph that is asked for: it is found under its name all the same, unless it is nested here.
        self.entry = MAIN if MAIN not in inner else f"{MAIN}:"
        self.documents = {self.entry: main, **{name: plain_document(each) for name, each in inner.items()}}
        self._pool = DraftPool if is_draft else ScriptPool
        self.cost = Cost.SCRIPT if is_draft else cost_of([graph, *inner.values()])
        self._engine: Any = None
        self._digest: str | None = None

    @property
    def digest(self) -> str:
        """What stands for these graphs: equal ones have equal ones."""
        if self._digest is None:
            self._digest = hashlib.sha256(document_text(self.documents).encode()).hexdigest()
        return self._digest

    async def evaluate(self, context: str, *, trace: bool = False) -> Evaluation:
        """Evaluate the graph.

        Args:
            context: the input as JSON, as `context_text` makes it.
            trace: whether to tell what each node did.

        Raises:
            RuleEvaluationFailed: a node failed.
            RuleTimeout, RuleCrashed, RuleSandboxBusy: a script in it did, or could not begin.
        """
        if self.cost is Cost.CHEAP and len(context) <= LARGE_INPUT:
            answer = self._here(context, trace=trace)
        else:
            answer = await self._in_process(context, trace=trace)
        return Evaluation(with_digits(answer.get("result")), answer.get("performance", ""), without_digits(answer.get("trace")))

    def _here(self, context: str, *, trace: bool) -> dict[str, Any]:
        try:
            if self._engine is None:
                self._engine = lazy.zen().ZenEngine({"loader": {"type": "static", "content": self.documents}})
            return self._engine.evaluate(self.entry, context, {"trace": trace})
        except Exception as error:
            raise failed_evaluation(self.what, str(error), self.graph) from None

    async def _in_process(self, context: str, *, trace: bool) -> dict[str, Any]:
        try:
            answer = await _with_pool(self._pool, lambda pool: pool.evaluate(self.digest, self.entry, self.documents, context, trace=trace))
        except (RuleTimeout, RuleCrashed) as error:
            raise type(error)(f"{self.what}: {error.message[:1].lower()}{error.message[1:]}") from None
        if "error" in answer:
            raise failed_evaluation(self.what, answer["error"], self.graph)
        return answer["value"]


async def _with_pool(kind: type[ScriptPool], ask: Callable[[ScriptPool], Any]) -> dict[str, Any]:
    services = find_services()
    pool = services.find(kind) if services is not None else None
    if pool is not None:
        return await ask(pool)
    # Outside of a running app: processes for this evaluation alone.
    own = ScriptPool(RulesConfig(script_processes=1))
    try:
        return await ask(own)
    finally:
        await own.close()


class CompiledGraphs:
    """The graphs that an app has compiled, by what they are of; those that were not used for the longest time are forgotten."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._by_key: OrderedDict[Hashable, CompiledGraph] = OrderedDict()
        self._ready: dict[Hashable, tuple[tuple[object, object], CompiledGraph]] = {}

    def ready(self, key: Hashable, of: tuple[object, object]) -> CompiledGraph | None:
        """The one that was kept last under *key*, if it is of these very objects: for what decides again and again by one version."""
        kept = self._ready.get(key)
        if kept is None or kept[0][0] is not of[0] or kept[0][1] is not of[1]:
            return None
        return kept[1]

    def keep_ready(self, key: Hashable, of: tuple[object, object], graph: CompiledGraph) -> None:
        """Have *graph* at hand under *key*, which is an object's: there are few of them."""
        self._ready[key] = (of, graph)

    def find(self, key: Hashable) -> CompiledGraph | None:
        """The one under *key*, if there is one."""
        found = self._by_key.get(key)
        if found is not None:
            self._by_key.move_to_end(key)
        return found

    def get(self, key: Hashable, make: Callable[[], CompiledGraph]) -> CompiledGraph:
        """The one under *key*, made now if there is none."""
        found = self.find(key)
        if found is None:
            found = self._by_key[key] = make()
            while len(self._by_key) > self._kept:
                self._by_key.popitem(last=False)
        return found

    def __len__(self) -> int:
        return len(self._by_key)
