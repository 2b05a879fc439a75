"""Statuses of jobs for tests of their reports."""

from __future__ import annotations

from streamctl.engine.job import DestinationStatus, JobStatus
from tests.support.control import stream


def job_status(state: str = "active", error: str = "", *, duration_s: float = 10.0) -> JobStatus:
    destination = DestinationStatus(
        url="rtmp://x/live/***", state=state, attempt=1, bytes_sent=1_500_000, error=error
    )
    return JobStatus(
        stream=stream("job"), position_s=5.0, duration_s=duration_s, destinations=[destination]
    )
