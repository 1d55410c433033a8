"""Logs: one JSON object a line on stderr. Events name users and audiences, never a secret (law 8)."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from capsvc.request_id import request_id

if TYPE_CHECKING:
    from structlog.typing import EventDict, FilteringBoundLogger

_CHAIN = 8


def logger() -> FilteringBoundLogger:
    """Make the service's logger. What it says within a request carries that request's id."""
    import structlog  # which takes longer to load than the rest of a resource server

    return cast(
        "FilteringBoundLogger",
        structlog.wrap_logger(
            structlog.PrintLogger(sys.stderr),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                _name_request,
                structlog.processors.JSONRenderer(),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        ),
    )


class ServerLogHandler(logging.Handler):
    """Writes what the server and other libraries log as lines of the service's log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        error = record.exc_info[1] if record.exc_info else None
        told: dict[str, Any] = {} if error is None else {"exception": told_error(error)}
        # One line of it: those that follow may describe the error in its own words.
        event = record.getMessage().strip().partition("\n")[0]
        logger().log(record.levelno, event, logger=record.name, **told)


SERVER_LOGS: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"capsvc": {"class": "capsvc.logs.ServerLogHandler"}},
    "root": {"handlers": ["capsvc"], "level": "WARNING"},
}
"""For :func:`logging.config.dictConfig`, in each worker."""


def told_error(error: BaseException) -> str:
    """Write where an error came from, and what led to it: lines of code and types of errors.

    What an error says of itself is left out: a library's may quote what a stranger sent.
    """
    return "".join(_told(error))


def _told(error: BaseException) -> Iterator[str]:
    each: BaseException | None = error
    for _ in range(_CHAIN):
        if each is None:
            return
        yield "Traceback (most recent call last):\n"
        yield from traceback.format_tb(each.__traceback__)
        yield f"{type(each).__module__}.{type(each).__qualname__}\n"
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)


def _name_request(logger: Any, method: str, event: EventDict) -> EventDict:
    asked = request_id()
    return event if asked is None else {**event, "request_id": asked}
