"""How are scripts of rules limited? The section ``rules`` of the settings."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class RulesConfig(BaseModel):
    """The limits of scripts, drafts, and whatever may cost much in decision graphs, which run in processes of their own."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    script_processes: int = Field(default=2, ge=1, le=64)
    """How many scripts run at once; the processes are started when they are needed."""
    draft_processes: int = Field(default=1, ge=1, le=64)
    """How many drafts are tried at once, in processes that versions in use never wait for."""
    script_seconds: float = Field(default=2.0, gt=0, le=60)
    """How long one evaluation of a graph with scripts may take."""
    script_memory_mb: int = Field(default=768, ge=256, le=16384)
    """The address space of such a process, in MiB."""
    script_queue: int = Field(default=100, ge=0, le=100_000)
    """How many evaluations may wait for a process; further ones are refused."""
