// Loaded before the conformance suite, which knows no tokens: every request carries the one in MCP_TOKEN, whether it goes
// by the fetch of Node, by its http, or by the undici of the suite.
import http from "node:http";
import { getGlobalDispatcher, setGlobalDispatcher } from "undici";

const authorization = `Bearer ${process.env.MCP_TOKEN}`;
const fetch = globalThis.fetch;
globalThis.fetch = (input, init = {}) => {
  const headers = new Headers(init.headers ?? (input instanceof Request ? input.headers : undefined));
  headers.set("authorization", authorization);
  return fetch(input, { ...init, headers });
};
const request = http.request;
http.request = (...sent) => {
  const options = sent.find((part) => typeof part === "object" && !(part instanceof URL));
  if (options) options.headers = { ...options.headers, authorization };
  return request(...sent);
};
setGlobalDispatcher(
  getGlobalDispatcher().compose((dispatch) => (options, handler) => {
    const headers = options.headers ?? [];
    const pairs = Array.isArray(headers) ? headers : [...(headers[Symbol.iterator] ? headers : Object.entries(headers))].flat();
    const has = pairs.some((word) => String(word).toLowerCase() === "authorization");
    return dispatch({ ...options, headers: has ? headers : [...pairs, "authorization", authorization] }, handler);
  }),
);
