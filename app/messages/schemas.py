"""Message forms: the JSON of messages, batches and templates."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.config import JsonDict

from app.invalid_values import InvalidValueError
from app.messages.writing.catalogue import TemplateName
from app.messages.writing.fill_text import LONGEST_SUBJECT, MOST_FILLED_CHARACTERS
from app.periods import TimeFrame
from app.segments.schemas import VipQuery
from app.vocabulary import AttemptOutcome, MessageKind, MessageStatus, Metric
from app.wire.enums import OneOf
from app.wire.examples import showing
from app.wire.ids import CustomerIdText, MessageIdText
from app.wire.instants import Instant
from app.wire.strict_json import Strict
from app.wire.text import header_text
from app.words import Language, Sentence

MessageKindValue = Annotated[str, OneOf(MessageKind)]
MessageStatusValue = Annotated[str, OneOf(MessageStatus)]
MOST_RECIPIENTS = 1000
MOST_VALUES = 20
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def body_text(text: str) -> str:
    """Text of several lines that every mail program shows."""
    if CONTROLS.search(text):
        raise InvalidValueError(Sentence("Leave out control characters and lone surrogates."))
    return text


Subject = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_SUBJECT),
    AfterValidator(header_text),
]
Body = Annotated[str, StringConstraints(min_length=1, max_length=MOST_FILLED_CHARACTERS), AfterValidator(body_text)]
VariableText = Annotated[str, Field(max_length=2000), AfterValidator(body_text)]

WRITTEN_EXAMPLE: JsonDict = {"subject": "A gift for you, Ada", "text": "Thank you for your loyalty.\n"}
TEMPLATE_EXAMPLE: JsonDict = {
    "template": "early_access",
    "variables": {"release": "Aurora 2", "link": "https://shop.example/early"},
    "language": "it",
}
RANKED_EXAMPLE: JsonDict = TEMPLATE_EXAMPLE | {
    "rank_from": {"rank_by": "number_of_purchases", "time_frame": "last_year"}
}


class RankFrom(Strict):
    """The board that a text takes rank, purchases and spend from."""

    rank_by: Metric = Metric.SPEND
    time_frame: TimeFrame = TimeFrame.LAST_MONTH

    @model_validator(mode="after")
    def _has_a_board(self) -> Self:
        if self.time_frame is TimeFrame.CUSTOM:
            raise InvalidValueError(Sentence("Choose another time frame: custom cannot be used here."))
        return self


class Wording(Strict):
    """The content of a message: a text, or a template with its variables."""

    kind: Annotated[
        MessageKindValue, Field(description="marketing goes only to subscribed customers; templates are marketing")
    ] = MessageKind.MARKETING.value
    subject: Subject | None = None
    text: Body | None = None
    html: Annotated[
        Body | None,
        Field(description="shown by mail programs in place of the text; what is unsafe in an e-mail is removed"),
    ] = None
    personalise: Annotated[
        bool, Field(description="fill in `{{ customer.name }}`, `{{ rank.place }}`, `{{ store.name }}` and the like")
    ] = False
    template: Annotated[TemplateName | None, Field(description="instead of subject and text")] = None
    variables: Annotated[
        dict[
            Annotated[str, Field(max_length=50)],
            VariableText | Annotated[list[VariableText], Field(max_length=MOST_VALUES)],
        ],
        Field(
            default_factory=dict,
            max_length=MOST_VALUES,
            description="values for the template's variables, see GET /messages/templates",
        ),
    ]
    rank_from: Annotated[
        RankFrom | None,
        Field(description="the board whose rank and figures a text shows; by default total spend of last month"),
    ] = None
    language: Annotated[
        Language | None,
        Field(
            description="language of template and footer; by default the customer's own, else the store's, else English"
        ),
    ] = None

    @model_validator(mode="after")
    def _one_wording(self) -> Self:
        if self.template is None and (self.subject is None or self.text is None):
            raise InvalidValueError(Sentence("Give subject and text, or a template."))
        if self.template is None and not self.personalise and self._holds_placeholder():
            raise InvalidValueError(Sentence("Set personalise to true, so that the placeholders are filled in."))
        if self.template is None and self.variables:
            raise InvalidValueError(
                Sentence(
                    "Leave out variables, which belong to a template; use personalise for facts about the customer."
                )
            )
        if self.template is not None and (self.subject or self.text or self.html or self.personalise):
            raise InvalidValueError(
                Sentence("Leave out subject, text, html and personalise: a template brings its own text.")
            )
        if self.template is not None and self.kind != MessageKind.MARKETING:
            raise InvalidValueError(Sentence("Send a template as marketing: none of them may be transactional."))
        return self

    def _holds_placeholder(self) -> bool:
        return any("{{" in (each or "") for each in (self.subject, self.text, self.html))


class NewMessage(Wording):
    """A message to one customer."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [WRITTEN_EXAMPLE | {"customer": "cus_900042"}, TEMPLATE_EXAMPLE | {"customer": "cus_900042"}]
        }
    )

    customer: Annotated[str, Field(max_length=40)]


class VipRecipients(VipQuery):
    """The VIPs of a store, best spenders first; `cursor` continues after a batch that returned a `next_cursor`."""

    limit: Annotated[int, Field(ge=1, le=MOST_RECIPIENTS)] = MOST_RECIPIENTS


class Top(Strict):
    """The first customers of a board as it is now."""

    audience: Annotated[str, Field(max_length=40)]
    source: Annotated[str, Field(max_length=40)]
    rank_by: Metric = Metric.SPEND
    time_frame: TimeFrame = TimeFrame.LAST_MONTH
    limit: Annotated[int, Field(ge=1, le=MOST_RECIPIENTS)]

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.time_frame is TimeFrame.CUSTOM:
            raise InvalidValueError(Sentence("Choose another time frame: custom cannot be used here."))
        return self


class Recipients(Strict):
    """The recipients of a batch: exactly one of the three."""

    customers: list[Annotated[str, Field(max_length=40)]] | None = Field(None, min_length=1, max_length=MOST_RECIPIENTS)
    vips: VipRecipients | None = None
    top: Top | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(way is not None for way in (self.customers, self.vips, self.top)) != 1:
            raise InvalidValueError(Sentence("Give exactly one of customers, vips and top."))
        return self


class NewBatch(Wording):
    """One message for many customers."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                TEMPLATE_EXAMPLE | {"to": {"top": {"audience": "aud_900001", "source": "src_900001", "limit": 100}}},
                WRITTEN_EXAMPLE | {"to": {"customers": ["cus_900042", "cus_900043"]}},
            ]
        }
    )

    to: Recipients

    @model_validator(mode="after")
    def _one_board(self) -> Self:
        if self.to.top is not None and self.rank_from is not None:
            raise InvalidValueError(Sentence("Leave out rank_from: a batch to the top shows the ranks of its board."))
        return self


class Preview(Wording):
    """A message to preview; without a customer it shows made-up names."""

    model_config = ConfigDict(json_schema_extra={"examples": [RANKED_EXAMPLE | {"customer": "cus_900042"}]})

    customer: Annotated[str, Field(max_length=40)] | None = None


class Previewed(BaseModel):
    """What would be sent, footer included."""

    model_config = showing(
        {
            "subject": "Un'anteprima per te, Ada",
            "text": "Ciao Ada,\nAurora 2 è qui, prima per te: https://shop.example/early\n",
            "html": None,
        }
    )

    language: Language
    subject: str
    text: str
    html: str | None


MESSAGE_EXAMPLE: JsonDict = {
    "id": "msg_900007",
    "customer": "cus_900042",
    "kind": "marketing",
    "status": "queued",
    "reason": None,
    "language": "en",
    "template": None,
    "subject": "A gift for you, Ada",
    "message_id": "<0190f3b2a1c47d5e8f60@shop.example>",
    "attempt_count": 0,
    "maybe_duplicate": False,
    "created_at": "2026-11-22T09:30:00Z",
    "next_attempt_at": "2026-11-22T09:30:00Z",
    "sent_at": None,
    "settled_at": None,
}


SENT_EXAMPLE: JsonDict = {
    "status": "sent",
    "attempt_count": 1,
    "next_attempt_at": None,
    "sent_at": "2026-11-22T09:30:01Z",
}


class Message(BaseModel):
    """A message and its status."""

    model_config = ConfigDict(json_schema_extra={"examples": [MESSAGE_EXAMPLE]})

    id: MessageIdText
    customer: CustomerIdText | None = Field(description="null once the person was erased")
    kind: MessageKindValue
    status: MessageStatusValue
    reason: str | None = Field(description="why it waits, failed, bounced for good, was cancelled or is held")
    language: Language
    template: str | None
    subject: str | None
    message_id: str = Field(description="the `Message-ID` header, the same in every copy")
    attempt_count: int = Field(description="attempts that were answered; a crash of this service does not count")
    maybe_duplicate: bool = Field(
        description="true when an answer or a worker was lost while the message was being sent: it may arrive twice"
    )
    created_at: Instant
    next_attempt_at: Instant | None
    sent_at: Instant | None
    settled_at: Instant | None


class Attempt(BaseModel):
    """One attempt to hand a message over, and the answer."""

    model_config = showing({"outcome": "accepted", "code": "250", "detail": "2.0.0 Ok: queued as 4WqkZJ1vT7z"})

    started_at: Instant
    ended_at: Instant
    outcome: Annotated[str, OneOf(AttemptOutcome)]
    code: str
    detail: str


class WholeMessage(Message):
    """A message with its text and every attempt to send it."""

    model_config = showing(
        MESSAGE_EXAMPLE | {"text": WRITTEN_EXAMPLE["text"], "html": None, "crashes": 0} | SENT_EXAMPLE
    )

    text: str | None
    html: str | None
    attempts: list[Attempt] = Field(description="oldest first")
    crashes: int = Field(
        description="how often a worker crashed while it sent this message; after five times it is held"
    )


class MessagePage(BaseModel):
    """Messages, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [MESSAGE_EXAMPLE], "next_cursor": None}]})

    items: list[Message]
    next_cursor: str | None


class BatchLine(BaseModel):
    """The result for one recipient of a batch."""

    model_config = showing({"code": None, "same_as": None})

    customer: CustomerIdText
    message: MessageIdText | None
    code: str | None = Field(
        description="`recipient_not_messageable`, `unknown_customer`, `same_address` or, where neither store nor"
        " account has a sender, `sender_required`; null when the message was queued"
    )
    reason: str | None
    same_as: str | None = Field(description="with `same_address`: the message that the same mailbox gets")


class Batch(BaseModel):
    """The result of a batch."""

    model_config = showing({"queued": 1, "refused": 0})

    queued: int
    refused: int
    results: list[BatchLine]
    next_cursor: str | None = Field(
        description="set when more VIPs are left: send it as `to.vips.cursor` for the next batch"
    )


class TemplateVariable(BaseModel):
    """A variable of a template."""

    model_config = showing(
        {
            "name": "release",
            "description": "What is new: a product, a collection, a sale",
            "required": True,
            "example": "Aurora 2",
        }
    )

    name: str
    description: str
    kind: Literal["text", "texts", "link", "date"]
    required: bool
    example: str | list[str]


class ShownTemplate(BaseModel):
    """A template, labelled in the language of the request."""

    model_config = showing({"label": "Early access", "description": "Shows something new before everyone else sees it"})

    name: TemplateName
    label: str
    description: str
    variables: list[TemplateVariable]


class Placeholder(BaseModel):
    """A placeholder that a personalised text may hold, in double braces."""

    model_config = showing({"name": "customer.name", "description": "Name of the customer; may be empty"})

    name: str = Field(examples=["customer.name"])
    description: str = Field(description="in the language of the answer")


class Templates(BaseModel):
    """The templates that can be sent, and the placeholders for texts of your own."""

    items: list[ShownTemplate]
    placeholders: list[Placeholder]
