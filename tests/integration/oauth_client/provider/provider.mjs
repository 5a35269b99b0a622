// An OpenID provider that nobody here wrote, for the tests: it listens on a free port of this computer, prints its
// address, and ends when its standard input does. People log in by naming themselves; what they say of themselves
// (`claims`, JSON) is what the provider then tells about them.

import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const accounts = new Map();

const server = createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  cookies: { keys: ['only for tests'] },
  scopes: ['openid', 'offline_access', 'calendar.read'],
  claims: {
    openid: ['sub'],
    email: ['email', 'email_verified'],
    profile: ['name', 'given_name', 'family_name', 'preferred_username', 'groups'],
  },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  ttl: { AccessToken: 3600, AuthorizationCode: 60, ClientCredentials: 600, Grant: 86400, IdToken: 600, Interaction: 600, RefreshToken: 86400, Session: 86400 },
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true },
    revocation: { enabled: true },
    introspection: { enabled: true },
    clientCredentials: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    backchannelLogout: { enabled: true },
  },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ ...accounts.get(id), sub: id }),
  }),
  // Without the dispatcher, which keeps requests from this very computer, where the sites of the tests are.
  fetch: (url, { dispatcher: _, ...options }) => fetch(url, options),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
});
provider.on('server_error', (_, error) => console.error(error));
provider.on('backchannel.error', (_, error) => console.error(error));

const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

const page = ({ prompt, params, uid }) => `<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Example provider</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 24rem; margin: 15vh auto; padding: 0 1rem; }
  label, input, button { display: block; width: 100%; box-sizing: border-box; font: inherit; }
  input, button { margin: .25rem 0 1rem; padding: .6rem; }
</style>
<h1>Example provider</h1>
<p>${escape(params.client_id)} asks for <code>${escape(params.scope ?? '')}</code></p>
<form method="post" action="/interaction/${uid}">
${prompt.name === 'login' ? '<label>Account <input name="account" autocomplete="off" required></label>' : ''}
<button name="answer" value="allow">Allow</button>
<button name="answer" value="decline" formnovalidate>Decline</button>
</form>
</html>`;

async function form(request) {
  let body = '';
  for await (const chunk of request) body += chunk;
  return new URLSearchParams(body);
}

async function answer(request, response) {
  const details = await provider.interactionDetails(request, response);
  if (request.method !== 'POST') {
    response.setHeader('content-type', 'text/html; charset=utf-8').end(page(details));
    return;
  }
  const given = await form(request);
  if (given.get('answer') === 'decline') {
    const declined = { error: 'access_denied', error_description: 'The person declined' };
    await provider.interactionFinished(request, response, declined, { mergeWithLastSubmission: false });
    return;
  }
  const accountId = given.get('account') ?? details.session?.accountId;
  if (given.has('claims') || !accounts.has(accountId)) {
    accounts.set(accountId, JSON.parse(given.get('claims') ?? '{}'));
  }
  const grant = new provider.Grant({ accountId, clientId: details.params.client_id });
  grant.addOIDCScope(details.params.scope);
  const consent = { grantId: await grant.save() };
  const result = { login: { accountId }, consent };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

const protocol = provider.callback();
server.on('request', (request, response) => {
  if (!request.url.startsWith('/interaction/')) {
    protocol(request, response);
    return;
  }
  answer(request, response).catch((error) => {
    response.statusCode = error.statusCode ?? 500;
    response.end(String(error.error_description ?? error));
  });
});

process.stdin.resume().on('end', () => process.exit());
console.log(`listening at ${issuer}`);
