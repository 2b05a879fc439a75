"""The child process: ``python -m streamctl.avworker FD PARENT``.

FD is the child's end of a socketpair, PARENT the pid that it must outlive never. The process
takes one job, answers in records of ``wire`` and exits; nothing but its standard error and
that socket leaves it.
"""

from __future__ import annotations

import sys

from streamctl.avworker.channel import Channel, ParentGone
from streamctl.avworker.confine import confine
from streamctl.avworker.wire import (
    DemuxJob,
    Failure,
    FailureKind,
    Job,
    MuxJob,
    failed_record,
    hello,
)
from streamctl.errors import ConnectionFailed, MediaError, RemoteProtocolError, StreamctlError


def main(arguments: list[str]) -> int:
    """Run one job; the exit code tells only whether the parent is still there."""
    descriptor, parent = (int(argument) for argument in arguments)
    confine(parent)
    channel = Channel(descriptor)
    try:
        channel.send(hello())
        try:
            job = received(channel)
            with channel.heartbeat():
                run(job, channel)
        except StreamctlError as error:
            channel.send(failed_record(failure(error)))
    except ParentGone:
        return 1
    return 0


def received(channel: Channel) -> Job:
    """The job.

    Raises:
        MediaError: the parent sent something else, or nonsense behind it.
    """
    try:
        return channel.receive_job()
    except RemoteProtocolError as error:
        raise MediaError(f"the parent sent nonsense: {error}") from None


def run(job: Job, channel: Channel) -> None:
    """Do the job; libav is loaded here, behind HELLO and the first heartbeat."""
    if isinstance(job, DemuxJob):
        from streamctl.avworker.demux import demux

        demux(job, channel.send)
    elif isinstance(job, MuxJob):
        from streamctl.avworker.mux import mux

        mux(job, channel)
    else:
        from streamctl.avworker.probe import probe

        probe(job, channel.send)


def failure(error: StreamctlError) -> Failure:
    """The error as it travels."""
    lost = isinstance(error, ConnectionFailed)
    kind = FailureKind.CONNECTION if lost else FailureKind.MEDIA
    return Failure(kind, error.message, error.hint)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
