"""Services: what an application is built from, by type; a route asks for what it needs in its signature."""

from types import MappingProxyType
from typing import Any, TypeVar

from fastapi import Depends, Request

Service = TypeVar("Service")


class Services:
    """The services of one application, one of each type; frozen once made."""

    def __init__(self, *services: object) -> None:
        """`None` stands for a service that is not configured."""
        self._by_type = MappingProxyType({type(each): each for each in services if each is not None})

    def find(self, kind: type[Service]) -> Service | None:
        """The service of this type; None when it is not configured."""
        found = self._by_type.get(kind)
        return found if isinstance(found, kind) else None

    def get(self, kind: type[Service]) -> Service:
        """The service of this type; LookupError when it is not configured."""
        found = self.find(kind)
        if found is None:
            raise LookupError(f"no {kind.__name__} is configured")
        return found


def services_of(request: Request) -> Services:
    """The services of the application that serves the request."""
    services: Services = request.app.state.services
    return services


def provided(kind: type[Service]) -> Any:  # noqa: ANN401 - what Depends returns
    """A dependency on the service of this type; a coroutine, because a plain function would cost a thread."""

    async def provide(request: Request) -> Service:
        return services_of(request).get(kind)

    return Depends(provide)
