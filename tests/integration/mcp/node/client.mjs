// The client of the TypeScript SDK with its OAuth: discovery, registration, login, consent, tools, a step up, a renewal.
// The person is played by this script, with a cookie of its own. Says what it saw, a line of JSON.
import { auth } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [site, usr, pwd] = process.argv.slice(2);
const address = new URL("/mcp", site);
const saw = [];

/** Keeps everything in memory, and sends the person through the site's pages. */
class Provider {
  redirectUrl = "http://127.0.0.1:49731/callback";
  clientMetadata = {
    client_name: "TypeScript SDK",
    redirect_uris: [this.redirectUrl],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  };
  kept = {};
  clientInformation = () => this.kept.client;
  saveClientInformation = (client) => void (this.kept.client = client);
  tokens = () => this.kept.tokens;
  saveTokens = (tokens) => void (this.kept.tokens = tokens);
  codeVerifier = () => this.kept.verifier;
  saveCodeVerifier = (verifier) => void (this.kept.verifier = verifier);
  async redirectToAuthorization(url) {
    saw.push("asked the person");
    this.code = await allow(url);
  }
}

const cookies = new Map();
async function browse(url, options = {}) {
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  const answer = await fetch(url, { redirect: "manual", ...options, headers: { accept: "text/html", cookie, ...options.headers } });
  for (const set of answer.headers.getSetCookie()) {
    const [pair] = set.split(";");
    cookies.set(pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1));
  }
  return answer;
}

/** Logs in, presses Allow, and takes the code out of the address where the browser is sent. */
async function allow(url) {
  if (!cookies.size) {
    const body = new URLSearchParams({ usr, pwd });
    await browse(new URL("/api/method/login", site), { method: "POST", body });
  }
  let answer = await browse(url);
  const location = () => new URL(answer.headers.get("location"), site);
  if (location().origin === new URL(site).origin) {
    const page = await (await browse(location())).text();
    const hidden = (name) => page.match(`name="${name}" value="([^"]*)"`)[1].replaceAll("&#x3D;", "=");
    const body = new URLSearchParams({ csrf_token: hidden("csrf_token"), request_id: hidden("request_id"), decision: "allow" });
    const approve = new URL("/api/method/frappe.integrations.oauth2.approve", site);
    answer = await browse(approve, { method: "POST", body, headers: { origin: new URL(site).origin } });
  }
  return location().searchParams.get("code");
}

const provider = new Provider();

/** Notes which scopes a refusal names. */
let wanted;
async function watched(url, options) {
  const answer = await fetch(url, options);
  if (answer.status === 403) wanted = answer.headers.get("www-authenticate")?.match(/scope="([^"]*)"/)?.[1];
  return answer;
}

/** Does something; where the SDK wants the person first, finishes that and does it again. */
async function insist(act) {
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const transport = new StreamableHTTPClientTransport(address, { authProvider: provider, fetch: watched });
    const client = new Client({ name: "typescript-sdk", version: "1" });
    try {
      await client.connect(transport);
      return await act(client);
    } catch (error) {
      if (!provider.code && error.code === 403 && wanted) {
        // The SDK renews what it has, which brings no scope: whoever wants more asks the person anew.
        provider.kept.tokens = undefined;
        await auth(provider, { serverUrl: address, scope: wanted });
        saw.push(`for ${wanted.split(" ").at(-1)}`);
      }
      if (!provider.code) throw error;
      await transport.finishAuth(provider.code);
      provider.code = undefined;
    } finally {
      await client.close();
    }
  }
  throw new Error("the site asks the person again and again");
}

const tools = await insist((client) => client.listTools());
saw.push(`${tools.tools.length} tools`);
const call = (name, args) => insist((client) => client.callTool({ name, arguments: args }));
const read = await call("get", { doctype: "Loan", name: "Emma" });
saw.push(JSON.parse(read.content[0].text).name);
await call("update", { doctype: "Loan", name: "Emma", values: { status: "Closed" } });
const before = provider.kept.tokens;
provider.kept.tokens = { ...before, access_token: "dt_at_gone" };
const listed = await call("list", { doctype: "Loan", fields: ["name", "status"] });
saw.push(listed.structuredContent.rows);
saw.push(before.refresh_token && provider.kept.tokens.refresh_token !== before.refresh_token ? "renewed" : "not renewed");
console.log(JSON.stringify(saw));
