import base64, hashlib, json, os, secrets, urllib.parse, urllib.request

CLIENT_ID = @CLIENT_ID@
REDIRECT_URI = @REDIRECT_URI@

def ask(address, form):
    headers = {}
    @AUTH@
    body = urllib.parse.urlencode(form).encode()
    return json.load(urllib.request.urlopen(urllib.request.Request(address, body, headers)))

# 1. Send the person's browser to this address.
verifier = secrets.token_urlsafe(32)
digest = hashlib.sha256(verifier.encode()).digest()
state = secrets.token_urlsafe(32)
fields = {
    "response_type": "code",
    "client_id": CLIENT_ID,
    "redirect_uri": REDIRECT_URI,
    "scope": @SCOPE@,
    "state": state,
    "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
    "code_challenge_method": "S256",
}
@PUSHED@# What is asked for goes straight to the site, and a reference to it through the browser (RFC 9126).
@PUSHED@fields = {"client_id": CLIENT_ID, "request_uri": ask(@PAR@, fields)["request_uri"]}
print(@AUTHORIZE@ + "?" + urllib.parse.urlencode(fields), flush=True)

# 2. The browser comes back to the redirect URI, with a code.
address = input("Address it came back to: ")
answer = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query))
assert secrets.compare_digest(answer["state"], state), "not the answer to this request"

# 3. Trade the code for tokens.
tokens = ask(@TOKEN@, {
    "grant_type": "authorization_code",
    "code": answer["code"],
    "redirect_uri": REDIRECT_URI,
    "code_verifier": verifier,
})

# 4. Call the API.
headers = {"Authorization": "Bearer " + tokens["access_token"]}
request = urllib.request.Request(@CALL@, headers=headers)
print(urllib.request.urlopen(request).read().decode())
