"""What `tests/kills/run`, `tests/full_disk/run`, `tests/faults/run` and `tests/cluster/run` share: a site as people run it, and programs that
write to it."""

import base64
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent

DOCTYPES = {
    "order.yaml": """name: Rough Order
module: Rough
autoname: field:title
fields:
  - { fieldname: title, fieldtype: Data, label: Title, reqd: true, unique: true }
  - { fieldname: counter, fieldtype: Int, label: Counter }
  - { fieldname: text, fieldtype: Long Text, label: Text }
  - { fieldname: lines, fieldtype: Table, label: Lines, options: Rough Line }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
""",
    "line.yaml": """name: Rough Line
module: Rough
istable: true
fields:
  - { fieldname: item, fieldtype: Data, label: Item, reqd: true }
""",
}
LINES = 3
# How often it is looked whether what is stored still changes.
LOOKS = 20


def binary(named):
    """The program to try: the one that is named, else what was built last."""
    built = [ROOT / "target" / profile / "doctyped" for profile in ("release", "debug")]
    built = sorted((path for path in built if path.exists()), key=lambda path: -path.stat().st_mtime)
    chosen = pathlib.Path(named) if named else (built[0] if built else None)
    if chosen is None or not chosen.exists():
        raise SystemExit("there is no program to try: run cargo build --release, or name one with --binary")
    return str(chosen.resolve())


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Site:
    """A site in a folder of its own, on a port of its own; or one more node of the site of another."""

    def __init__(self, program, folder, database_url=None, address=None, prefix=(), of=None):
        self.command, self.folder, self.child = [*prefix, program], pathlib.Path(folder), None
        self.host, self.port = address or ("127.0.0.1", free_port())
        self.limited = of is None
        (self.folder / "doctypes").mkdir(parents=True, exist_ok=True)
        for name, text in DOCTYPES.items():
            (self.folder / "doctypes" / name).write_text(text)
        self.environment = dict(
            os.environ,
            DOCTYPED_LISTEN=f"{self.host}:{self.port}",
            DOCTYPED_SITE_URL=f"http://{self.host}:{self.port}",
            DOCTYPED_ADMIN_PASSWORD="correct horse battery",
            DOCTYPED_LOG="warn",
        )
        if database_url:
            self.environment["DOCTYPED_DATABASE_URL"] = database_url
        if of:
            self.authorization = of.authorization
            for name in ("DOCTYPED_SITE_URL", "DOCTYPED_FILES", "DOCTYPED_SECRET_KEY_FILE"):
                self.environment[name] = of.environment[name]
            return
        for name, path in (("DOCTYPED_FILES", "files"), ("DOCTYPED_SECRET_KEY_FILE", "site.key")):
            self.environment[name] = str(self.folder.resolve() / path)
        key = subprocess.run(
            [*self.command, "key", "Administrator"], cwd=self.folder, env=self.environment, check=True,
            stdout=subprocess.PIPE, text=True,
        )
        self.authorization = "Basic " + base64.b64encode(key.stdout.strip().encode()).decode()

    def start(self):
        """Starts it and waits until it answers; returns how long that took."""
        began = time.monotonic()
        with open(self.folder / "server.log", "a") as log:
            self.child = subprocess.Popen(self.command, cwd=self.folder, env=self.environment, stdout=log, stderr=log)
        while time.monotonic() - began < 60:
            if self.child.poll() is not None:
                raise SystemExit(f"the server ended: {self.log()[-2000:]}")
            try:
                if Client(self).ask("GET", "/health/live")[0] == 200:
                    took = time.monotonic() - began
                    self.lift_limits()
                    return took
            except OSError:
                time.sleep(0.02)
        raise SystemExit(f"the server does not answer: {self.log()[-2000:]}")

    def lift_limits(self):
        """Lets as many requests through as come, once."""
        if not self.limited:
            return
        self.limited = False
        settings = {"api_rate_limit": 0, "api_rate_limit_for_guests": 0}
        status, answer, _ = Client(self).ask("PUT", "/api/resource/System%20Settings/System%20Settings", settings)
        if status != 200:
            raise SystemExit(f"the limits of the API stay: {status} {answer}")

    def kill(self):
        """Ends it without warning."""
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()

    def stop(self):
        """Asks it to end, and waits."""
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(60)

    def log(self):
        return (self.folder / "server.log").read_text(errors="replace")


class Client:
    """One connection, as Administrator by API key; answers take so many seconds at most."""

    def __init__(self, site, timeout=60):
        self.site = site
        self.connection = http.client.HTTPConnection(site.host, site.port, timeout=timeout)

    def ask(self, method, path, body=None, authorization=True, form=None):
        """Status, JSON (or None) and headers of an answer; OSError if the connection broke."""
        kind = "application/json" if form is None else "application/x-www-form-urlencoded"
        headers = {"Accept": "application/json", "Content-Type": kind}
        if authorization:
            headers["Authorization"] = self.site.authorization if authorization is True else authorization
        try:
            self.connection.request(method, path, form if body is None else json.dumps(body), headers)
            answer = self.connection.getresponse()
            raw = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            raise OSError(str(error)) from error
        try:
            parsed = json.loads(raw)
        except ValueError:
            parsed = None
        return answer.status, parsed, answer.headers

    def all(self, doctype, fields):
        """Every document of a DocType, page by page, each from behind the last one: none comes twice if one more is stored."""
        rows, size = [], 500
        while True:
            behind = [["name", ">", rows[-1]["name"]]] if rows else []
            query = urllib.parse.urlencode(
                {
                    "fields": json.dumps(fields),
                    "filters": json.dumps(behind),
                    "order_by": "name asc",
                    "limit_page_length": size,
                }
            )
            status, answer, _ = self.ask("GET", f"/api/resource/{urllib.parse.quote(doctype)}?{query}")
            if status != 200:
                raise SystemExit(f"{doctype} cannot be listed: {status} {answer}")
            rows += answer["data"]
            if len(answer["data"]) < size:
                return rows


class Writer(threading.Thread):
    """Inserts orders with lines, and changes each once, until it is told to stop or its connection breaks."""

    def __init__(self, site, name, text=""):
        super().__init__(daemon=True)
        self.site, self.prefix, self.text, self.ending = site, name, text, False
        # What was answered with a success, what was sent without an answer, and how the others were answered.
        self.inserted, self.changed, self.unknown, self.statuses = [], {}, [], {}

    def count(self, status):
        self.statuses[status] = self.statuses.get(status, 0) + 1

    def run(self):
        client, number = Client(self.site), 0
        while not self.ending:
            number += 1
            title = f"{self.prefix}-{number:05}"
            lines = [{"item": f"{title} {line}"} for line in range(LINES)]
            try:
                body = {"title": title, "counter": 0, "text": self.text, "lines": lines}
                status, _, headers = client.ask("POST", "/api/resource/Rough%20Order", body)
                self.count(status)
                if status != 200:
                    if "Retry-After" not in headers:
                        self.count(f"{status} without Retry-After")
                    time.sleep(0.01)
                    continue
                self.inserted.append(title)
                self.changed[title] = [0]
                self.changed[title].append(number)
                status, _, _ = client.ask("PUT", f"/api/resource/Rough%20Order/{title}", {"counter": number})
                self.count(status)
                if status == 200:
                    self.changed[title] = [number]
            except OSError:
                self.unknown.append(title)
                return


class Enduring(threading.Thread):
    """Inserts orders with lines and changes each once, at one node after the other, whatever happens to them."""

    def __init__(self, sites, at, load, pause):
        super().__init__(daemon=True)
        self.sites, self.at, self.load, self.pause = sites, at, load, pause
        self.inserted, self.changed, self.unknown, self.statuses = [], {}, [], {}

    def run(self):
        number, client = 0, None
        while not self.load.ending:
            number += 1
            time.sleep(self.pause)
            title = f"w{self.at:02}-{number:05}"
            if client is None:
                client = Client(self.sites[(self.at + number) % len(self.sites)], timeout=10)
            lines = [{"item": f"{title} {line}"} for line in range(LINES)]
            try:
                order = {"title": title, "counter": 0, "lines": lines}
                status = self.note(client.ask("POST", "/api/resource/Rough%20Order", order))
                if status == 200:
                    self.inserted.append(title)
                    self.changed[title] = [0, number]
                    self.load.acknowledged()
                    status = self.note(client.ask("PUT", f"/api/resource/Rough%20Order/{title}", {"counter": number}))
                    if status == 200:
                        self.changed[title] = [number]
                        self.load.acknowledged()
                elif status >= 500:
                    # It may have been lost on the way to the database or on the way back.
                    self.unknown.append(title)
                if status >= 500:
                    client = None
                    time.sleep(0.1)
            except OSError:
                self.note(("no answer", None, {}))
                self.unknown.append(title)
                client = None
                time.sleep(0.1)

    def note(self, answer):
        status, body, headers = answer
        self.statuses[status] = self.statuses.get(status, 0) + 1
        expected = status == "no answer" or status in self.load.expected
        if not expected or status in (503, 507) and "Retry-After" not in headers:
            self.load.odd.append(f"{status}: {json.dumps(body)[:300]}")
        return status


class Load:
    """Writers at sites that fail now and then; each rests so many seconds between documents."""

    def __init__(self, sites, count, pause=0.0, expected=(200, 503)):
        self.ending, self.odd, self.lock, self.expected = False, [], threading.Lock(), expected
        self.last, self.longest, self.writes = time.monotonic(), 0.0, 0
        self.writers = [Enduring(sites, at, self, pause) for at in range(count)]

    def acknowledged(self):
        with self.lock:
            now = time.monotonic()
            self.longest, self.last, self.writes = max(self.longest, now - self.last), now, self.writes + 1

    def since(self):
        """Writes, and the longest pause in seconds, since this was last asked."""
        with self.lock:
            writes, longest = self.writes, max(self.longest, time.monotonic() - self.last)
            self.writes, self.longest = 0, 0.0
            return writes, longest

    def end(self):
        """Waits for all of them."""
        self.ending = True
        for writer in self.writers:
            writer.join(30)

    def statuses(self):
        """How often each status was answered."""
        counted = {}
        for writer in self.writers:
            for status, count in writer.statuses.items():
                counted[status] = counted.get(status, 0) + count
        return counted


def check(site, writers):
    """What is wrong with what is stored, as sentences; and how many orders were answered for and found."""
    client, faults = Client(site), []
    # What was sent without an answer may still be stored while this looks: it looks until nothing changes any more.
    orders = None
    for _ in range(LOOKS):
        before = orders
        orders = client.all("Rough Order", ["name", "title", "counter"])
        if orders == before:
            break
        parents = [row["parent"] for row in client.all("Rough Line", ["name", "parent"])]
    found = {row["title"]: row["counter"] for row in orders}
    if len(found) != len(orders):
        faults.append(f"{len(orders) - len(found)} orders are there twice")
    lines = {}
    for parent in parents:
        lines[parent] = lines.get(parent, 0) + 1
    answered = [title for writer in writers for title in writer.inserted]
    known = set(answered) | {title for writer in writers for title in writer.unknown}
    for title in answered:
        if title not in found:
            faults.append(f"{title} was answered and is gone")
    for writer in writers:
        for title, possible in writer.changed.items():
            if title in found and found[title] not in possible:
                faults.append(f"{title}: {found[title]} instead of {possible}")
    for title in found:
        if lines.get(title) != LINES:
            faults.append(f"{title} has {lines.get(title, 0)} lines instead of {LINES}")
        if title not in known:
            faults.append(f"{title} was refused and is stored")
    for parent in lines:
        if parent not in found:
            faults.append(f"lines of {parent} are there without it")
    return faults, len(answered), len(found)
