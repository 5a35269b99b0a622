"""What the comparisons share: requests, load by wrk, and the table of the best rounds."""

import http.client
import json
import re
import subprocess


def ask(server, method, path, body=None, headers=None):
    """The JSON of a successful answer; a dictionary goes as JSON, a text as a form."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    kind = "application/x-www-form-urlencoded" if isinstance(body, str) else "application/json"
    body = json.dumps(body) if isinstance(body, dict) else body
    connection.request(method, path, body, {"Content-Type": kind, **server.headers, **(headers or {})})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status >= 300:
        raise SystemExit(f"{method} {path}: {answer.status} {text[:500]}")
    return json.loads(text)


def wrk(server, given, folder, path, script="", headers=None):
    """Requests a second and the 99th percentile in milliseconds; fails if anything is not answered with a success."""
    file = folder / "script.lua"
    file.write_text(script + """
function done(summary, latency)
  print("p99", latency:percentile(99) / 1000, "errors", summary.errors.status)
end
""")
    headers = {"Content-Type": "application/json", **server.headers, **(headers or {})}
    headers = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    printed = subprocess.run(
        ["wrk", "-t1", f"-c{given.connections}", f"-d{given.seconds}s", "-s", str(file), *headers,
         f"http://127.0.0.1:{server.port}{path}"],
        check=True, stdout=subprocess.PIPE, text=True,
    ).stdout
    if not re.search(r"errors\s+0\b", printed):
        raise SystemExit(f"{path}: {printed}")
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", printed).group(1))
    return rate, float(re.search(r"p99\s+([\d.]+)", printed).group(1))


class Best:
    """The best round of each of two, by what was measured."""

    def __init__(self):
        self.kept = {}

    def note(self, what, at, figures):
        kept = self.kept.setdefault(what, {})
        if at not in kept or kept[at][0] < figures[0]:
            kept[at] = figures

    def show(self, other):
        print(f"| | Doctyped/s | p99 ms | {other}/s | p99 ms | times |\n|---|---|---|---|---|---|")
        for what, kept in self.kept.items():
            (ours, our_p99), (theirs, their_p99) = kept[0], kept[1]
            print(f"| {what} | {ours:,.0f} | {our_p99:.1f} | {theirs:,.0f} | {their_p99:.1f} | {ours / theirs:.1f} |")


def arguments(parser):
    parser.add_argument("--binary")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=16)
