// Node 20 or later, saved as example.mjs. ASSERTION is what the person's identity provider signed for this program.
const clientId = @CLIENT_ID@;

// 1. The program exchanges the assertion, once, for a token of the person.
const grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const body = new URLSearchParams({ grant_type, assertion: process.env.ASSERTION });
const headers = {};
@AUTH@
const tokens = await (await fetch(@TOKEN@, { method: "POST", body, headers })).json();

// 2. Call the API.
const answer = await fetch(@CALL@, { headers: { Authorization: `Bearer ${tokens.access_token}` } });
console.log(await answer.text());
