import base64, hashlib, json, os, secrets, urllib.parse, urllib.request

CLIENT_ID = @CLIENT_ID@
REDIRECT_URI = @REDIRECT_URI@

# 1. Send the person's browser to this address.
verifier = secrets.token_urlsafe(32)
digest = hashlib.sha256(verifier.encode()).digest()
state = secrets.token_urlsafe(32)
print(@AUTHORIZE@ + "&" + urllib.parse.urlencode({
    "state": state,
    "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
    "code_challenge_method": "S256",
}), flush=True)

# 2. The browser comes back to the redirect URI, with a code.
address = input("Address it came back to: ")
answer = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query))
assert secrets.compare_digest(answer["state"], state), "not the answer to this request"

# 3. Trade the code for tokens.
form = {
    "grant_type": "authorization_code",
    "code": answer["code"],
    "redirect_uri": REDIRECT_URI,
    "code_verifier": verifier,
}
headers = {}
@AUTH@
body = urllib.parse.urlencode(form).encode()
request = urllib.request.Request(@TOKEN@, body, headers)
tokens = json.load(urllib.request.urlopen(request))

# 4. Call the API.
headers = {"Authorization": "Bearer " + tokens["access_token"]}
request = urllib.request.Request(@CALL@, headers=headers)
print(urllib.request.urlopen(request).read().decode())
