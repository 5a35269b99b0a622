import base64, json, os, time, urllib.error, urllib.parse, urllib.request

CLIENT_ID = @CLIENT_ID@

def ask(address, form):
    headers = {}
    @AUTH@
    body = urllib.parse.urlencode(form).encode()
    try:
        return json.load(urllib.request.urlopen(urllib.request.Request(address, body, headers)))
    except urllib.error.HTTPError as refused:
        return json.load(refused)

# 1. Ask for a code that the person types in on another device.
device = ask(@DEVICE@, {"scope": @SCOPE@})
print(f"Open {device['verification_uri']} and type in {device['user_code']}", flush=True)

# 2. Ask now and then until they have answered.
wait = device.get("interval", 5)
tokens = {"error": "authorization_pending"}
while tokens.get("error") in ("authorization_pending", "slow_down"):
    wait += 5 if tokens["error"] == "slow_down" else 0
    time.sleep(wait)
    grant = "urn:ietf:params:oauth:grant-type:device_code"
    tokens = ask(@TOKEN@, {"grant_type": grant, "device_code": device["device_code"]})

# 3. Call the API.
headers = {"Authorization": "Bearer " + tokens["access_token"]}
request = urllib.request.Request(@CALL@, headers=headers)
print(urllib.request.urlopen(request).read().decode())
