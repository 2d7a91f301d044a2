"""Logs: one JSON object a line, our own and those of libraries; none holds personal data."""

import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog

from app.problems import places

AS_JSON = (
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.EventRenamer("message"),
    structlog.processors.JSONRenderer(),
)


def log_as_json() -> None:
    """Log to standard error; the code names every field of its own lines."""
    structlog.configure(
        processors=AS_JSON,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    of_libraries = logging.StreamHandler()
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    of_libraries.setFormatter(structlog.stdlib.ProcessorFormatter(processors=(remove, _without_text, *AS_JSON)))
    logging.basicConfig(handlers=[of_libraries], level=logging.WARNING, force=True)


@contextmanager
def only_warnings() -> Iterator[None]:
    """Log nothing but warnings and errors until the block ends."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        yield
    finally:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))


def _without_text(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace an exception, whose text may quote a person's data, by its kind and where it was raised."""
    raised = event.pop("exc_info", None)
    error = raised[1] if isinstance(raised, tuple) else raised
    if isinstance(error, BaseException):
        event.update(kind=type(error).__name__, at=places(error))
    return event
