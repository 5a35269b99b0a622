import base64, json, os, urllib.parse, urllib.request

CLIENT_ID = @CLIENT_ID@

# 1. The program asks for a token for itself.
form = {"grant_type": "client_credentials", "scope": @SCOPE@}
headers = {}
@AUTH@
body = urllib.parse.urlencode(form).encode()
request = urllib.request.Request(@TOKEN@, body, headers)
tokens = json.load(urllib.request.urlopen(request))

# 2. Call the API.
headers = {"Authorization": "Bearer " + tokens["access_token"]}
request = urllib.request.Request(@CALL@, headers=headers)
print(urllib.request.urlopen(request).read().decode())
