import base64, hashlib, http.server, json, secrets, urllib.parse, urllib.request, webbrowser

CLIENT_ID = @CLIENT_ID@
REDIRECT_URI = urllib.parse.urlsplit(@REDIRECT_URI@)

def ask(address, form):
    headers = {}
    @AUTH@
    body = urllib.parse.urlencode(form).encode()
    return json.load(urllib.request.urlopen(urllib.request.Request(address, body, headers)))

# 1. Wait on this computer, at a port that is free, for the browser to come back.
class Back(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        address = urllib.parse.urlsplit(self.path)
        if address.path == (REDIRECT_URI.path or "/"):
            self.server.answer = dict(urllib.parse.parse_qsl(address.query))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"You can close this page.")

    def log_message(self, *_):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Back)
server.answer = None
redirect_uri = REDIRECT_URI._replace(netloc=f"{REDIRECT_URI.hostname}:{server.server_port}").geturl()

# 2. Send the person's browser to the site.
verifier = secrets.token_urlsafe(32)
digest = hashlib.sha256(verifier.encode()).digest()
state = secrets.token_urlsafe(32)
fields = {
    "response_type": "code",
    "client_id": CLIENT_ID,
    "redirect_uri": redirect_uri,
    "scope": @SCOPE@,
    "state": state,
    "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
    "code_challenge_method": "S256",
}
@PUSHED@# What is asked for goes straight to the site, and a reference to it through the browser (RFC 9126).
@PUSHED@fields = {"client_id": CLIENT_ID, "request_uri": ask(@PAR@, fields)["request_uri"]}
address = @AUTHORIZE@ + "?" + urllib.parse.urlencode(fields)
print(address, flush=True)
webbrowser.open(address)
while server.answer is None:
    server.handle_request()
assert secrets.compare_digest(server.answer["state"], state), "not the answer to this request"

# 3. Trade the code for tokens.
tokens = ask(@TOKEN@, {
    "grant_type": "authorization_code",
    "code": server.answer["code"],
    "redirect_uri": redirect_uri,
    "code_verifier": verifier,
})

# 4. Call the API.
headers = {"Authorization": "Bearer " + tokens["access_token"]}
request = urllib.request.Request(@CALL@, headers=headers)
print(urllib.request.urlopen(request).read().decode())
