"""The keys of ``[streams.<code>.hls]``."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from streamctl.sdk.plugin import Options

ONLY_TS = "not available in this version, segments are MPEG-TS"


class HlsOptions(Options):
    """How a stream is packaged for HLS."""

    live: ClassVar[frozenset[str]] = frozenset({"window", "history_s", "memory_bytes", "start"})

    variant: Literal["ts"] = "ts"
    """The format of segments."""
    segment_s: float = Field(default=2.0, ge=0.5, le=30.0)
    """A segment ends at the first keyframe at or past this age."""
    window: int = Field(default=12, ge=3, le=1000)
    """Segments that the playlist lists."""
    history_s: float = Field(default=0.0, ge=0.0, le=86_400.0)
    """How far viewers of ``dvr.m3u8`` can seek back behind the window."""
    start: Literal["always", "on_demand"] = "always"
    """Whether segments are made all the time or only while somebody asks for them."""
    storage: Literal["memory", "disk"] = "memory"
    """Where segments are held."""
    directory: str = ""
    """Where ``disk`` puts a folder per stream."""
    memory_bytes: int = Field(default=134_217_728, ge=1_048_576)
    """What segments may hold of memory; above it the oldest go early. The default is 24 segments
    of 2 s at 20 Mbps, with room."""

    @field_validator("variant", mode="before")
    @classmethod
    def _known_variant(cls, value: Any) -> Any:
        if value in ("fmp4", "ll"):
            raise ValueError(f"{ONLY_TS}: write `ts`")
        return value

    @model_validator(mode="before")
    @classmethod
    def _no_parts(cls, table: Any) -> Any:
        if isinstance(table, dict) and "part_ms" in table:
            raise ValueError(f"`part_ms` is {ONLY_TS}: remove it")
        return table

    @model_validator(mode="after")
    def _directory_for_disk(self) -> HlsOptions:
        if self.storage == "disk" and not self.directory:
            raise ValueError('`storage = "disk"` needs a `directory`')
        return self
