"""Who goes first when a commit begins: the thread, unless that gave the processor to somebody else."""

from __future__ import annotations

from planar.engine.store.commit_work import PAUSE_SECONDS, YIELD_SECONDS, CommitWork


class Processor:
    """A processor that is away for some seconds when it is yielded, and its clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.away = 0.0
        self.said: list[str] = []
        self.work = CommitWork(self.give, self.monotonic)

    def monotonic(self) -> float:
        return self.now

    def give(self) -> None:
        self.said.append("yield")
        self.now += self.away

    def begin(self) -> list[str]:
        """What happens when a commit begins."""
        self.said.clear()
        self.work.add(lambda: self.said.append("work"))
        self.work.commit_begins()
        return list(self.said)


def test_the_thread_gets_the_processor_before_the_work_is_done() -> None:
    processor = Processor()
    processor.away = YIELD_SECONDS / 2
    assert processor.begin() == ["yield", "work"]
    assert processor.begin() == ["yield", "work"]


def test_what_somebody_else_got_is_not_given_again_for_a_while() -> None:
    processor = Processor()
    processor.away = YIELD_SECONDS * 3
    assert processor.begin() == ["yield", "work"]
    began = processor.now - processor.away
    assert processor.begin() == ["work"]
    processor.now = began + PAUSE_SECONDS - 0.01
    assert processor.begin() == ["work"]
    processor.now = began + PAUSE_SECONDS + 0.01
    assert processor.begin() == ["yield", "work"]


def test_work_is_done_once() -> None:
    processor = Processor()
    processor.begin()
    assert not processor.work
    processor.work.do()
    assert processor.said == ["yield", "work"]
