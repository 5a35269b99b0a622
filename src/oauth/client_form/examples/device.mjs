// Node 20 or later, saved as example.mjs.
import { setTimeout as sleep } from "node:timers/promises";

const clientId = @CLIENT_ID@;

async function ask(address, form) {
  const body = new URLSearchParams(form);
  const headers = {};
  @AUTH@
  return (await fetch(address, { method: "POST", body, headers })).json();
}

// 1. Ask for a code that the person types in on another device.
const device = await ask(@DEVICE@, { scope: @SCOPE@ });
console.log(`Open ${device.verification_uri} and type in ${device.user_code}`);

// 2. Ask now and then until they have answered.
let wait = device.interval ?? 5;
let tokens = { error: "authorization_pending" };
while (["authorization_pending", "slow_down"].includes(tokens.error)) {
  if (tokens.error === "slow_down") wait += 5;
  await sleep(wait * 1000);
  const grant = "urn:ietf:params:oauth:grant-type:device_code";
  tokens = await ask(@TOKEN@, { grant_type: grant, device_code: device.device_code });
}

// 3. Call the API.
const answer = await fetch(@CALL@, { headers: { Authorization: `Bearer ${tokens.access_token}` } });
console.log(await answer.text());
