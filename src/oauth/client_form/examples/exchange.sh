# Keep the secret out of the program's text: export CLIENT_SECRET=…
# The access token to exchange: export SUBJECT_TOKEN=…
client_id=@CLIENT_ID@

# 1. The program exchanges the token. For one that allows less, name fewer scopes: -d scope=…
#    For a token that another program sent, say who acts: actor_token and actor_token_type.
answer=$(curl -sS @TOKEN@ @AUTH@ \
  -d grant_type=urn:ietf:params:oauth:grant-type:token-exchange \
  --data-urlencode "subject_token=$SUBJECT_TOKEN" \
  -d subject_token_type=urn:ietf:params:oauth:token-type:access_token)
access_token=$(printf %s "$answer" | sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p')

# 2. Call the API.
curl -sS @CALL@ -H "Authorization: Bearer $access_token"
