"""The JSON documents of the control API about hooks.

They continue :mod:`streamctl.schema`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class HookStatus(BaseModel):
    """Somebody, or something, that is told what happens."""

    name: str = Field(description="CODE.KEY for a command that stands in a stream's table")
    kind: Literal["url", "file", "command"]
    target: str = Field(description="who is told; secrets replaced by ***")
    state: Literal["idle", "delivering", "failing"]
    error: str = Field("", description="why the last delivery failed; empty if it did not")
    events: list[str] = Field(default_factory=list, description="patterns; empty = all")
    streams: list[str] = Field(default_factory=list, description="patterns; empty = all")
    except_streams: list[str] = Field(default_factory=list)
    delivered: int = Field(0, description="events; of commands, runs that went well")
    failed: int = Field(0, description="attempts, or runs, that went wrong")
    dropped: int = Field(0, description="events lost because too many waited")
    queue: int = Field(0, description="events that were not delivered yet")
    running: int = Field(0, description="deliveries, or commands, under way")


class HookList(BaseModel):
    """``GET /api/v1/hooks``."""

    hooks: list[HookStatus]
    count: int
    time: str


class HookTest(BaseModel):
    """``POST /api/v1/hooks/{name}/test``."""

    name: str
    ok: bool
    detail: str = Field(description="what was answered, or what went wrong")
    duration_s: float
