"""TXT records: what the DNS says under a name, asked for without a connection to the database in hand."""

from dataclasses import dataclass
from typing import Protocol

import dns.asyncresolver
import dns.exception
import dns.rdatatype
import dns.resolver

from app.problems import ServiceUnavailable
from app.words import Sentence

ANSWER_SECONDS = 5.0
STANDARD_PORT = 53
DNS_RETRY_SECONDS = 30


class TxtRecords(Protocol):
    """A way to ask for TXT records."""

    async def texts(self, name: str) -> list[str]:
        """The texts under a name, none where there is no such name; ServiceUnavailable when nobody answers."""
        ...


@dataclass(frozen=True, slots=True)
class DnsServer:
    """The DNS as one server tells it; without a host, as the servers of this machine do."""

    host: str | None = None
    port: int = STANDARD_PORT

    async def texts(self, name: str) -> list[str]:
        """The texts under a name, none where there is no such name; ServiceUnavailable when nobody answers."""
        try:
            answer = await self._resolver().resolve(name, dns.rdatatype.TXT, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError):
            detail = Sentence("The DNS gave no answer; try again later.")
            raise ServiceUnavailable(detail, retry_after_seconds=DNS_RETRY_SECONDS) from None
        return [b"".join(record.strings).decode("ascii", "replace") for record in answer]

    def _resolver(self) -> dns.asyncresolver.Resolver:
        resolver = dns.asyncresolver.Resolver(configure=self.host is None)
        resolver.lifetime = ANSWER_SECONDS
        if self.host is not None:
            resolver.nameservers = [self.host]
            resolver.port = self.port
        return resolver
