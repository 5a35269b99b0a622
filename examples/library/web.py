#!/usr/bin/env python3
"""A small web page of the library: what can be borrowed, and a form to borrow it. Python's standard library alone.

SITE is the address of the site, KEY what `doctyped key USER` printed. The key stays on this server; browsers never see it.
"""

import html
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SITE, KEY = os.environ["SITE"], os.environ["KEY"]


def call(method, path, values=None):
    """Asks the site; raises urllib.error.HTTPError with what it says is wrong."""
    request = urllib.request.Request(SITE + path, method=method, headers={"Authorization": f"token {KEY}"})
    if values is not None:
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps(values).encode()
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["data"]


def page():
    query = urllib.parse.urlencode({
        "fields": json.dumps(["name", "author"]),
        "filters": json.dumps([["status", "=", "Available"]]),
        "order_by": "name asc",
        "limit_page_length": 100,
    })
    books = call("GET", f"/api/resource/Book?{query}")
    rows = "".join(
        f"<li>{html.escape(book['name'])}, {html.escape(book['author'] or 'unknown')}"
        f"<form method=post><input type=hidden name=book value=\"{html.escape(book['name'])}\">"
        "<input type=email name=reader placeholder='Your email address' required><button>Borrow</button></form></li>"
        for book in books
    )
    return f"<!doctype html><meta charset=utf-8><title>Library</title><h1>Library</h1><ul>{rows or '<li>Nothing left'}</ul>"


def borrow(book, reader):
    due = date.today() + timedelta(days=28)
    call("POST", "/api/resource/Loan", {"book": book, "reader": reader, "due": due.isoformat()})
    call("PUT", f"/api/resource/Book/{urllib.parse.quote(book, safe='')}", {"status": "On Loan"})


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, page())

    def do_POST(self):
        length = min(int(self.headers.get("Content-Length", 0)), 10_000)
        form = dict(urllib.parse.parse_qsl(self.rfile.read(length).decode()))
        try:
            borrow(form.get("book", ""), form.get("reader", ""))
        except urllib.error.HTTPError as error:
            return self.answer(400, f"<!doctype html><p>That did not work ({error.code}). <a href=/>Back</a>")
        self.send_response(303)
        self.send_header("Location", "/")
        self.end_headers()

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Security-Policy", "default-src 'none'; form-action 'self'")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8080"))), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
