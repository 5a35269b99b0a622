// In a page at the redirect URI. Nothing here is secret.
const clientId = @CLIENT_ID@;
const redirectUri = @REDIRECT_URI@;
const text = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const random = () => text(crypto.getRandomValues(new Uint8Array(32)));

// 1. A button calls this: the person goes to the site and allows the program.
export async function signIn() {
  const verifier = random();
  const state = random();
  sessionStorage.setItem("verifier", verifier);
  sessionStorage.setItem("state", state);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  const body = new URLSearchParams({
    response_type: "code",
    client_id: clientId,
    redirect_uri: redirectUri,
    scope: @SCOPE@,
    state,
    code_challenge: text(digest),
    code_challenge_method: "S256",
  });
@DIRECT@  location.assign(`${@AUTHORIZE@}?${body}`);
@PUSHED@  // What is asked for goes straight to the site, and a reference to it through the address (RFC 9126).
@PUSHED@  const { request_uri } = await (await fetch(@PAR@, { method: "POST", body })).json();
@PUSHED@  location.assign(`${@AUTHORIZE@}?${new URLSearchParams({ client_id: clientId, request_uri })}`);
}

// 2. The page calls this when the person is back: the code becomes tokens.
export async function comeBack() {
  const back = new URL(location.href).searchParams;
  if (back.get("state") !== sessionStorage.getItem("state")) throw new Error("not the answer to this request");
  const body = new URLSearchParams({
    grant_type: "authorization_code",
    client_id: clientId,
    code: back.get("code"),
    redirect_uri: redirectUri,
    code_verifier: sessionStorage.getItem("verifier"),
  });
  return (await fetch(@TOKEN@, { method: "POST", body })).json();
}

// 3. Call the API.
export async function callApi(tokens) {
  return (await fetch(@CALL@, { headers: { Authorization: `Bearer ${tokens.access_token}` } })).json();
}
