import base64, json, os, urllib.parse, urllib.request

CLIENT_ID = @CLIENT_ID@

# 1. The program exchanges the assertion, once, for a token of the person.
form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": os.environ["ASSERTION"]}
headers = {}
@AUTH@
body = urllib.parse.urlencode(form).encode()
request = urllib.request.Request(@TOKEN@, body, headers)
tokens = json.load(urllib.request.urlopen(request))

# 2. Call the API.
headers = {"Authorization": "Bearer " + tokens["access_token"]}
request = urllib.request.Request(@CALL@, headers=headers)
print(urllib.request.urlopen(request).read().decode())
