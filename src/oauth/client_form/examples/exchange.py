import base64, json, os, urllib.parse, urllib.request

CLIENT_ID = @CLIENT_ID@

# 1. The program exchanges the token. For one that allows less, name fewer scopes in scope.
#    For a token that another program sent, say who acts: actor_token and actor_token_type.
form = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "subject_token": os.environ["SUBJECT_TOKEN"],
    "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
}
headers = {}
@AUTH@
body = urllib.parse.urlencode(form).encode()
request = urllib.request.Request(@TOKEN@, body, headers)
tokens = json.load(urllib.request.urlopen(request))

# 2. Call the API.
headers = {"Authorization": "Bearer " + tokens["access_token"]}
request = urllib.request.Request(@CALL@, headers=headers)
print(urllib.request.urlopen(request).read().decode())
