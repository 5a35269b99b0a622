#!/usr/bin/env python3
"""A resource server: an API of your own that takes the tokens of a site, which it asks about each (RFC 7662).

SITE is the address of the site; CLIENT_ID and CLIENT_SECRET are an OAuth Client that may introspect all tokens, for this server alone.
Python's standard library alone.
"""

import base64
import json
import os
import time
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SITE, SCOPE = os.environ["SITE"], os.environ.get("SCOPE", "openid")
CREDENTIALS = base64.b64encode(f"{os.environ['CLIENT_ID']}:{os.environ['CLIENT_SECRET']}".encode()).decode()


def metadata():
    with urllib.request.urlopen(f"{SITE}/.well-known/oauth-authorization-server", timeout=10) as answer:
        return json.load(answer)


INTROSPECTION = metadata()["introspection_endpoint"]


def look_up(token):
    """What the site says about a token; None if it is worth nothing."""
    request = urllib.request.Request(
        INTROSPECTION,
        urllib.parse.urlencode({"token": token, "token_type_hint": "access_token"}).encode(),
        {"Authorization": f"Basic {CREDENTIALS}"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        told = json.load(answer)
    return told if told.get("active") and told.get("exp", 0) > time.time() else None


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            return self.refuse(401, "")
        told = look_up(token)
        if told is None:
            return self.refuse(401, ', error="invalid_token"')
        if SCOPE not in told.get("scope", "").split():
            return self.refuse(403, f', error="insufficient_scope", scope="{SCOPE}"')
        self.answer(200, {"hello": told.get("username") or told["sub"]})

    def refuse(self, status, why):
        self.answer(status, {"error": "unauthorized"}, {"WWW-Authenticate": f'Bearer realm="example"{why}'})

    def answer(self, status, body, headers=None):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8081"))), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
