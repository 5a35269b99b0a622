// Node 20 or later, saved as example.mjs.
const clientId = @CLIENT_ID@;

// 1. The program asks for a token for itself.
const body = new URLSearchParams({ grant_type: "client_credentials", scope: @SCOPE@ });
const headers = {};
@AUTH@
const tokens = await (await fetch(@TOKEN@, { method: "POST", body, headers })).json();

// 2. Call the API.
const answer = await fetch(@CALL@, { headers: { Authorization: `Bearer ${tokens.access_token}` } });
console.log(await answer.text());
