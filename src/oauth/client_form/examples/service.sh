# Keep the secret out of the program's text: export CLIENT_SECRET=…
client_id=@CLIENT_ID@

# 1. The program asks for a token for itself.
answer=$(curl -sS @TOKEN@ @AUTH@ \
  -d grant_type=client_credentials --data-urlencode @SCOPE_FIELD@)
access_token=$(printf %s "$answer" | sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p')

# 2. Call the API.
curl -sS @CALL@ -H "Authorization: Bearer $access_token"
