# Keep the secret out of the program's text: export CLIENT_SECRET=…
client_id=@CLIENT_ID@
redirect_uri=@REDIRECT_URI@

# 1. Send the person's browser to this address.
random() { head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'; }
verifier=$(random)
challenge=$(printf %s "$verifier" | openssl dgst -sha256 -binary | base64 | tr '+/' '-_' | tr -d '=\n')
state=$(random)
@DIRECT@echo @AUTHORIZE_QUERY@"&state=$state&code_challenge=$challenge&code_challenge_method=S256"
@PUSHED@# What is asked for goes straight to the site, and a reference to it through the browser (RFC 9126).
@PUSHED@answer=$(curl -sS @PAR@ @AUTH@ -d response_type=code --data-urlencode @SCOPE_FIELD@ \
@PUSHED@  --data-urlencode "redirect_uri=$redirect_uri" -d "state=$state" \
@PUSHED@  -d "code_challenge=$challenge" -d code_challenge_method=S256)
@PUSHED@request_uri=$(printf %s "$answer" | sed -n 's/.*"request_uri":"\([^"]*\)".*/\1/p')
@PUSHED@echo @AUTHORIZE_CLIENT@"&request_uri=$request_uri"

# 2. The browser comes back to the redirect URI; "state" has to be the same.
read -r -p 'Value of "code" in the address it came back to: ' code

# 3. Trade the code for tokens.
answer=$(curl -sS @TOKEN@ @AUTH@ \
  -d grant_type=authorization_code --data-urlencode "code=$code" \
  --data-urlencode "redirect_uri=$redirect_uri" -d "code_verifier=$verifier")
access_token=$(printf %s "$answer" | sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p')

# 4. Call the API.
curl -sS @CALL@ -H "Authorization: Bearer $access_token"
