"""Reading a webhook: its events, or why it cannot be used."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from app.orders.normal_form import Refusal
from app.problems import log, places
from app.sources.connector import Connector, StoreWebhook, UnreadableDeliveryError
from app.sources.shop_events import ShopEvent
from app.vocabulary import DeliveryStatus
from app.words import Sentence

FAULT = Refusal(None, "bug", Sentence("The service failed while it read this; its log says where."))
WRITTEN_ADDRESS = re.compile(rb"[^\s\"'\\@,;:<>(){}\[\]\x00-\x1f]{1,64}@[^\s\"'\\@,;:<>(){}\[\]\x00-\x1f]{1,255}")
MOST_ADDRESSES = 50


@dataclass(slots=True)
class ReadWebhook:
    """A webhook that was read; `refusal` says why it is quarantined."""

    id: int
    received_at: datetime
    mentions: frozenset[str] = frozenset()
    """The ids and addresses in it, by which an erasure finds it."""
    events: Sequence[ShopEvent] = ()
    refusal: Refusal | None = None
    forgets: bool = False
    """Its content is not kept, because a person in it was erased by it."""

    @property
    def status(self) -> str:
        """What has become of it."""
        if self.refusal is not None:
            return DeliveryStatus.QUARANTINED
        return DeliveryStatus.APPLIED if self.events else DeliveryStatus.IGNORED


Told = tuple[ReadWebhook, ShopEvent]
"""An event, with the webhook that told it."""


def read_webhook(number: int, received_at: datetime, webhook: StoreWebhook, connector: Connector) -> ReadWebhook:
    """Parse a webhook; whatever is wrong with it becomes its refusal."""
    read = ReadWebhook(number, received_at, addresses_in(webhook.body))
    try:
        read.events = connector.parse(webhook)
        read.mentions = read.mentions.union(*(each.mentions() for each in read.events))
    except UnreadableDeliveryError as unreadable:
        read.refusal = Refusal(None, *unreadable.args)
    except Exception as error:  # noqa: BLE001 - a document that nobody foresaw must not keep its neighbours waiting
        log.error("reading a webhook failed", kind=type(error).__name__, at=places(error))
        read.refusal = FAULT
    return read


def addresses_in(body: bytes) -> frozenset[str]:
    """The e-mail addresses in a document, whether it can be read or not."""
    found = islice(WRITTEN_ADDRESS.finditer(body), MOST_ADDRESSES)
    return frozenset(each.group().decode("utf-8", "replace").lower() for each in found)
