// Node 20 or later, saved as example.mjs.
import { createHash, randomBytes } from "node:crypto";
import { createInterface } from "node:readline/promises";

const clientId = @CLIENT_ID@;
const redirectUri = @REDIRECT_URI@;

// 1. Send the person's browser to this address.
const verifier = randomBytes(32).toString("base64url");
const state = randomBytes(32).toString("base64url");
const authorize = new URL(@AUTHORIZE@);
authorize.searchParams.set("state", state);
authorize.searchParams.set("code_challenge", createHash("sha256").update(verifier).digest("base64url"));
authorize.searchParams.set("code_challenge_method", "S256");
console.log(authorize.href);

// 2. The browser comes back to the redirect URI, with a code.
const terminal = createInterface({ input: process.stdin, output: process.stdout });
const back = new URL(await terminal.question("Address it came back to: ")).searchParams;
terminal.close();
if (back.get("state") !== state) throw new Error("not the answer to this request");

// 3. Trade the code for tokens.
const body = new URLSearchParams({
  grant_type: "authorization_code",
  code: back.get("code"),
  redirect_uri: redirectUri,
  code_verifier: verifier,
});
const headers = {};
@AUTH@
const tokens = await (await fetch(@TOKEN@, { method: "POST", body, headers })).json();

// 4. Call the API.
const answer = await fetch(@CALL@, { headers: { Authorization: `Bearer ${tokens.access_token}` } });
console.log(await answer.text());
