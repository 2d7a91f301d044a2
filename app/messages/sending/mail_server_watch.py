"""Mail server watch: counts the outcomes of mails, and tells in the log when the mail server goes and comes back."""

import time

from app.mail.contract import Deferred, Outcome
from app.messages.sending.settle_messages import ATTEMPT_OUTCOMES, INTERRUPTED
from app.problems import log
from app.process_metrics import Metrics

WITHOUT_A_SERVER = frozenset({"unreachable", "disconnected", "timeout", "tls", "disk"})
"""The codes of outcomes that no mail server has decided."""


class MailServerWatch:
    """What is known of the mail server of this process."""

    def __init__(self, metrics: Metrics) -> None:
        """It is thought to be there."""
        self._metrics = metrics
        self._away_since: float | None = None

    def note(self, outcome: Outcome) -> None:
        """Count an outcome; one line in the log when it tells that the server has gone or is back."""
        if outcome is INTERRUPTED:
            return
        self._metrics.attempts.labels(ATTEMPT_OUTCOMES[type(outcome)].value).inc()
        if isinstance(outcome, Deferred) and outcome.code in WITHOUT_A_SERVER:
            if self._away_since is None:
                self._away_since = time.monotonic()
                log.warning("mail server unreachable", code=outcome.code)
        elif self._away_since is not None:
            log.info("mail server is back", seconds=round(time.monotonic() - self._away_since))
            self._away_since = None
