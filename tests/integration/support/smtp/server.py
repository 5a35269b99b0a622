"""A mail server (aiosmtpd) that prints what it takes, one message a line as JSON.

Its first line is its port. `never@…` is refused for good, `later@…` for now. With arguments CERTIFICATE and KEY it speaks
STARTTLS and takes nothing without it, nor without the login `site@example.com` / `open sesame`."""

import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("never@"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("later@"):
            return "451 4.2.0 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        headers = {name.lower(): str(value) for name, value in message.items()}
        told = {"from": envelope.mail_from, "to": envelope.rcpt_tos, "headers": headers, "text": message.get_content()}
        print(json.dumps(told | {"tls": session.ssl is not None}), flush=True)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"site@example.com", b"open sesame"), handled=False)


async def main():
    options = {}
    if len(sys.argv) > 2:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
        options = {"tls_context": context, "require_starttls": True}
        options |= {"authenticator": authenticate, "auth_required": True}
    make = lambda: SMTP(Handler(), enable_SMTPUTF8=True, **options)
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
