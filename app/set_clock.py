"""Setting the clock: only of a service that was started with CLOCK, for tests of its clients."""

from typing import Annotated

from fastapi import APIRouter

from app.accounts.guarded_route import OpenRoute
from app.problems import Problem, documented
from app.services import provided
from app.wire.examples import showing
from app.wire.instants import BodyInstant, StillClock, rfc3339
from app.wire.strict_json import Strict
from app.words import Sentence

router = APIRouter(route_class=OpenRoute, tags=["operation"])


class ClockGoesBack(Problem):
    """The clock of the service shows a later time already, and it does not go back."""

    slug = "clock-goes-back"
    title = "The clock does not go back"
    status = 409


class ShownTime(Strict):
    """What the service's clock shows."""

    model_config = showing({"now": "2026-11-21T09:00:00Z"})

    now: BodyInstant


ClockOfTests = Annotated[StillClock, provided(StillClock)]


@router.post("/test/clock", operation_id="setClock", responses=documented(ClockGoesBack))
async def set_clock(shown: ShownTime, clock: ClockOfTests) -> ShownTime:
    """Set the clock of this process to a later time; it stands still until it is set again.

    Boards of new days are answered from the orders until the worker, which looks every 30 seconds, has opened them.
    """
    if shown.now < clock.moment:
        raise ClockGoesBack(Sentence("Give a time from {now} on.", now=rfc3339(clock.moment)))
    clock.moment = shown.now
    return shown
