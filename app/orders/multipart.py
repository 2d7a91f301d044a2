"""Form files: the file of a multipart form, as a stream, and the fields that stand before it."""

from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.orders.streams import BrokenStream
from app.problems import InvalidRequest
from app.words import Sentence

LARGEST_FIELD_BYTES = 64 * 1024
MOST_FORM_FIELDS = 20
ONE_FILE = Sentence("Put one file into the form, as its last part, after at most {most} fields.", most=MOST_FORM_FIELDS)


class FormFile(NamedTuple):
    """The file of a form, and what the form says besides."""

    fields: dict[str, str]
    content_type: str
    name: str
    chunks: AsyncIterator[bytes]


class _Form:
    """What the parser has read: fields until the file begins, then the bytes of the file."""

    def __init__(self, boundary: bytes) -> None:
        self.fields: dict[str, str] = {}
        self.file: tuple[str, str] | None = None
        """The Content-Type and the name of the file, once it has begun."""
        self.is_over = False
        self.content: list[bytes] = []
        self._headers: dict[bytes, bytes] = {}
        self._header: list[bytes] = []
        self._value: list[bytes] = []
        self._field: str | None = None
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin_part,
                "on_header_field": self._collect(self._header.append),
                "on_header_value": self._collect(self._value.append),
                "on_header_end": self._end_header,
                "on_headers_finished": self._begin_content,
                "on_part_data": self._collect(self._add),
                "on_part_end": self._end_part,
            },
        )

    def write(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise BrokenStream(Sentence("Send a multipart form as RFC 7578 describes it.")) from None

    def end(self) -> None:
        try:
            self._parser.finalize()
        except FormParserError:
            raise BrokenStream(Sentence("Send the whole form: it ends early.")) from None
        if self.file is None:
            raise _wrong_form(ONE_FILE)
        if not self.is_over:
            raise BrokenStream(Sentence("Send the whole form: it ends early."))

    def taken(self) -> bytes:
        """The bytes of the file that have been read since this was last asked."""
        content, self.content = b"".join(self.content), []
        return content

    @staticmethod
    def _collect(keep: Callable[[bytes], None]) -> Callable[[bytes, int, int], None]:
        return lambda data, start, end: keep(data[start:end])

    def _begin_part(self) -> None:
        if self.file is not None or len(self.fields) >= MOST_FORM_FIELDS:
            raise _wrong_form(ONE_FILE)
        self._headers = {}

    def _end_header(self) -> None:
        self._headers[b"".join(self._header).lower()] = b"".join(self._value)
        self._header.clear()
        self._value.clear()

    def _begin_content(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        if b"filename" in options:
            content_type = self._headers.get(b"content-type", b"application/octet-stream")
            self.file = content_type.decode("latin-1"), options[b"filename"].decode("utf-8", "replace")
        else:
            self._field = options.get(b"name", b"").decode("utf-8", "replace")

    def _add(self, piece: bytes) -> None:
        self.content.append(piece)
        if self.file is None and sum(map(len, self.content)) > LARGEST_FIELD_BYTES:
            raise _wrong_form(Sentence("Write at most {max_length} characters.", max_length=LARGEST_FIELD_BYTES))

    def _end_part(self) -> None:
        self.is_over = self.file is not None
        if self._field is not None:
            if self._field in self.fields:
                raise _wrong_form(Sentence("Give this only once."))
            self.fields[self._field] = self.taken().decode("utf-8", "replace")
            self._field = None


def _wrong_form(detail: Sentence) -> InvalidRequest:
    return InvalidRequest(errors=[{"in": "body", "pointer": "#/", "code": "invalid_form", "detail": detail}])


async def form_file(boundary: bytes, chunks: AsyncIterable[bytes]) -> FormFile:
    """Read a form up to its file, whose bytes follow in `chunks`."""
    if not boundary:
        raise BrokenStream(Sentence("Send a multipart form as RFC 7578 describes it."))
    form, rest = _Form(boundary), aiter(chunks)
    while form.file is None:
        chunk = await anext(rest, None)
        if chunk is None:
            form.end()
            break
        form.write(chunk)
    content_type, name = form.file or ("", "")
    return FormFile(form.fields, content_type, name, _file_bytes(form, rest))


async def _file_bytes(form: _Form, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield form.taken()
    async for chunk in rest:
        form.write(chunk)
        yield form.taken()
    form.end()
