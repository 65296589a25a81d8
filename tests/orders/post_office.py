"""A real SMTP server on the loopback address."""

from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.controller import Controller


@dataclass
class PostOffice:
    """Keeps what was delivered; `answers` are its words to a recipient, 250 for all others."""

    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    senders: list[str] = field(default_factory=list)
    _server: Controller | None = None

    def open(self) -> None:
        self._server = Controller(self, hostname="127.0.0.1", port=self.port)
        self._server.start()

    def close(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, _session, envelope):
        self.senders.append(envelope.mail_from)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def subjects(self) -> list[str]:
        return [mail["Subject"].strip() for mail in self.mails]  # a long one begins on a new line

    def text(self) -> str:
        return self.mails[-1].get_body(("plain",)).get_content().replace("\r\n", "\n")

    def html(self) -> str:
        return self.mails[-1].get_body(("html",)).get_content()
