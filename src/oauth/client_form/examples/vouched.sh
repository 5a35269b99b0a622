# Keep the secret out of the program's text: export CLIENT_SECRET=…
# What the person's identity provider signed for this program: export ASSERTION=…
client_id=@CLIENT_ID@

# 1. The program exchanges the assertion, once, for a token of the person.
answer=$(curl -sS @TOKEN@ @AUTH@ \
  -d grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer --data-urlencode "assertion=$ASSERTION")
access_token=$(printf %s "$answer" | sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p')

# 2. Call the API.
curl -sS @CALL@ -H "Authorization: Bearer $access_token"
