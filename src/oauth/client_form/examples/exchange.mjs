// Node 20 or later, saved as example.mjs. SUBJECT_TOKEN is the access token to exchange.
const clientId = @CLIENT_ID@;

// 1. The program exchanges the token. For one that allows less, name fewer scopes in scope.
//    For a token that another program sent, say who acts: actor_token and actor_token_type.
const body = new URLSearchParams({
  grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
  subject_token: process.env.SUBJECT_TOKEN,
  subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
});
const headers = {};
@AUTH@
const tokens = await (await fetch(@TOKEN@, { method: "POST", body, headers })).json();

// 2. Call the API.
const answer = await fetch(@CALL@, { headers: { Authorization: `Bearer ${tokens.access_token}` } });
console.log(await answer.text());
