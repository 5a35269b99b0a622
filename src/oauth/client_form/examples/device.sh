# Keep the secret out of the program's text: export CLIENT_SECRET=…
client_id=@CLIENT_ID@
value() { printf %s "$answer" | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }

# 1. Ask for a code that the person types in on another device.
answer=$(curl -sS @DEVICE@ @AUTH@ --data-urlencode @SCOPE_FIELD@)
device_code=$(value device_code)
echo "Open $(value verification_uri) and type in $(value user_code)"

# 2. Ask now and then until they have answered.
until access_token=$(value access_token); [ -n "$access_token" ]; do
  sleep 5
  answer=$(curl -sS @TOKEN@ @AUTH@ \
    -d grant_type=urn:ietf:params:oauth:grant-type:device_code --data-urlencode "device_code=$device_code")
  case $(value error) in ''|authorization_pending|slow_down) ;; *) echo "$answer"; exit 1 ;; esac
done

# 3. Call the API.
curl -sS @CALL@ -H "Authorization: Bearer $access_token"
