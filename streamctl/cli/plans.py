"""Plans on the terminal: what was done, or would be, and who notices."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamctl.schema import Plan


def lines(plan: Plan) -> list[str]:
    """A plan, one thing a line."""
    found = [told(step.part, step.action, step.reason, step.notices) for step in plan.server]
    found += [
        told(f"stream {step.stream}", step.action, step.reason, step.notices) for step in plan.steps
    ]
    found += [f"stream {code}: {why}" for code, why in plan.failures.items()]
    return found or ["nothing that runs changes"]


def told(what: str, action: str, reason: str, notices: str) -> str:
    """One step."""
    return f"{what}: {action}: {reason}" + (f" (who notices: {notices})" if notices else "")


def show(plan: Plan, *, json: bool) -> None:
    """Print a plan.

    Raises:
        StreamctlError: a part of it failed.
    """
    from streamctl.cli.output import print_json, print_lines
    from streamctl.errors import StreamctlError

    if json:
        print_json(plan)
    else:
        print_lines(lines(plan))
    if plan.failures:
        codes = ", ".join(f"`{code}`" for code in plan.failures)
        raise StreamctlError(
            f"not done: {codes}", hint="the server tries to start a stream every 10 s"
        )
