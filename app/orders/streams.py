"""Streams: what a client sends becomes bytes of UTF-8 with one kind of line end, in constant memory."""

import codecs
import re
import zlib
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

from app.problems import Problem, UnsupportedMediaType
from app.words import Sentence

HARMLESS_BYTES = 32 * 1024 * 1024
MOST_TIMES_LARGER = 200
"""A gzip stream beyond both is not a table of orders, which shrinks to a tenth or so."""

INFLATED_AT_ONCE_BYTES = 256 * 1024
LOOK_AHEAD_BYTES = 64 * 1024
GZIP_MAGIC = b"\x1f\x8b"

UTF_8 = "utf-8"
BYTE_ORDER_MARKS = {codecs.BOM_UTF8: UTF_8, codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
CHARSETS = re.compile(
    r"utf-8|utf-16(?:-[lb]e)?|cp(?:437|85[0-8]|866|874|93[26]|949|950|125[0-8])|iso8859-[0-9]+|koi8-[rut]|mac-[a-z]+"
    r"|shift_jis|euc_(?:jp|kr)|gbk|gb2312|gb18030|big5"
)
"""Charsets by their names in Python."""
AS_BROWSERS_READ = {"iso8859-1": "cp1252", "iso8859-9": "cp1254", "utf-16": "utf-16-le"}
"""Who declares ISO 8859-1 means Windows-1252, which has letters where the other has control characters."""


class BrokenStream(Problem):
    """The stream is not what its headers say or ends early; what came before may be stored: send it all again."""

    slug = "broken-stream"
    title = "The stream broke"
    status = 400


class Ahead:
    """A stream of bytes whose beginning can be looked at before it is read."""

    def __init__(self, chunks: AsyncIterable[bytes]) -> None:
        """Nothing read yet."""
        self._chunks = aiter(chunks)
        self.seen = b""
        self.is_whole = False

    async def see_more(self) -> bool:
        """Read one more piece; False at the end of the stream."""
        if not self.is_whole:
            chunk = await anext(self._chunks, None)
            self.is_whole = chunk is None
            self.seen += chunk or b""
        return not self.is_whole

    async def see(self, size: int) -> bytes:
        """The first bytes, as many as asked for unless the stream is shorter."""
        while len(self.seen) < size and await self.see_more():
            pass
        return self.seen[:size]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The whole stream; it can be read once."""
        seen, self.seen = self.seen, b""
        for start in range(0, len(seen), LOOK_AHEAD_BYTES):
            yield seen[start : start + LOOK_AHEAD_BYTES]
        if not self.is_whole:
            async for chunk in self._chunks:
                yield chunk


async def inflated(chunks: AsyncIterable[bytes], *, gzip: bool) -> AsyncIterator[bytes]:
    """The bytes, unpacked where they are gzip, never much at a time."""
    inflater: Any = None
    first = True
    packed_bytes = unpacked_bytes = 0
    async for chunk in chunks:
        if not chunk:
            continue
        packed_bytes += len(chunk)
        if first:
            inflater = zlib.decompressobj(wbits=31) if gzip or chunk.startswith(GZIP_MAGIC) else None
            first = False
        if inflater is None:
            yield chunk
            continue
        packed = chunk
        while packed:
            if inflater.eof:
                inflater = zlib.decompressobj(wbits=31)
            try:
                unpacked = inflater.decompress(packed, INFLATED_AT_ONCE_BYTES)
            except zlib.error:
                raise BrokenStream(Sentence("The body is not valid gzip.")) from None
            unpacked_bytes += len(unpacked)
            if unpacked_bytes > max(HARMLESS_BYTES, MOST_TIMES_LARGER * packed_bytes):
                raise BrokenStream(
                    Sentence("The gzip stream unpacks to more than {times} times its size.", times=MOST_TIMES_LARGER)
                )
            yield unpacked
            packed = inflater.unconsumed_tail or inflater.unused_data
    if inflater is not None and not inflater.eof:
        raise BrokenStream(Sentence("The gzip stream ends early."))


def known_charset(name: str) -> str:
    """The charset of this name as Python calls it; UnsupportedMediaType where it is none that is read."""
    try:
        known = codecs.lookup(name.strip().strip('"')).name
    except (LookupError, ValueError):
        known = ""
    if not CHARSETS.fullmatch(known):
        raise UnsupportedMediaType(Sentence("Save the file as UTF-8, or declare its charset: this one is not read."))
    return AS_BROWSERS_READ.get(known, known)


class TextStream:
    """A stream of text as UTF-8 without a byte order mark; each line ends with a line feed."""

    def __init__(self, chunks: AsyncIterable[bytes], declared: str | None) -> None:
        """A byte order mark counts more than a declared charset; without either it is UTF-8."""
        self._chunks = Ahead(chunks)
        self.charset = known_charset(declared) if declared else UTF_8

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """What is no character of its charset becomes bytes that are not UTF-8, so that its row is refused."""
        start = await self._chunks.see(3)
        mark = next((each for each in BYTE_ORDER_MARKS if start.startswith(each)), b"")
        self.charset = BYTE_ORDER_MARKS.get(mark, self.charset)
        async for chunk in with_line_feeds(
            _after_mark(mark, self._chunks) if self.charset == UTF_8 else self._decoded(mark)
        ):
            yield chunk

    async def _decoded(self, mark: bytes) -> AsyncIterator[bytes]:
        decoder = codecs.getincrementaldecoder(self.charset)("no_character")
        async for chunk in _after_mark(mark, self._chunks):
            yield decoder.decode(chunk).encode(UTF_8, "surrogatepass")
        yield decoder.decode(b"", final=True).encode(UTF_8, "surrogatepass")


def _no_character(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


codecs.register_error("no_character", _no_character)


async def _after_mark(mark: bytes, chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        yield chunk.removeprefix(mark) if mark else chunk
        mark = b""


async def with_line_feeds(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The lines of a stream whose first line ends with a carriage return alone, as old Macs wrote them; or as it is."""
    ahead = Ahead(chunks)
    while not (end := re.search(rb"\n|\r\n|\r.", ahead.seen, re.DOTALL)) and len(ahead.seen) < LOOK_AHEAD_BYTES:
        if not await ahead.see_more():
            break
    is_old_mac = end[0][:1] == b"\r" and end[0] != b"\r\n" if end else ahead.seen.endswith(b"\r")
    if not is_old_mac:
        async for chunk in ahead:
            yield chunk
        return
    rest = b""
    async for chunk in ahead:
        whole = rest + chunk
        rest = b"\r" if whole.endswith(b"\r") else b""
        yield whole[: len(whole) - len(rest)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    yield rest.replace(b"\r", b"\n")
