// Node 20 or later, saved as example.mjs.
import { createHash, randomBytes } from "node:crypto";
import { createInterface } from "node:readline/promises";

const clientId = @CLIENT_ID@;
const redirectUri = @REDIRECT_URI@;

async function ask(address, form) {
  const body = new URLSearchParams(form);
  const headers = {};
  @AUTH@
  return (await fetch(address, { method: "POST", body, headers })).json();
}

// 1. Send the person's browser to this address.
const verifier = randomBytes(32).toString("base64url");
const state = randomBytes(32).toString("base64url");
const request = new URLSearchParams({
  response_type: "code",
  client_id: clientId,
  redirect_uri: redirectUri,
  scope: @SCOPE@,
  state,
  code_challenge: createHash("sha256").update(verifier).digest("base64url"),
  code_challenge_method: "S256",
});
@DIRECT@console.log(`${@AUTHORIZE@}?${request}`);
@PUSHED@// What is asked for goes straight to the site, and a reference to it through the browser (RFC 9126).
@PUSHED@const { request_uri } = await ask(@PAR@, request);
@PUSHED@console.log(`${@AUTHORIZE@}?${new URLSearchParams({ client_id: clientId, request_uri })}`);

// 2. The browser comes back to the redirect URI, with a code.
const terminal = createInterface({ input: process.stdin, output: process.stdout });
const back = new URL(await terminal.question("Address it came back to: ")).searchParams;
terminal.close();
if (back.get("state") !== state) throw new Error("not the answer to this request");

// 3. Trade the code for tokens.
const tokens = await ask(@TOKEN@, {
  grant_type: "authorization_code",
  code: back.get("code"),
  redirect_uri: redirectUri,
  code_verifier: verifier,
});

// 4. Call the API.
const answer = await fetch(@CALL@, { headers: { Authorization: `Bearer ${tokens.access_token}` } });
console.log(await answer.text());
