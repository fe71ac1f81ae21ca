// The landings of a hybrid shop as calls and milliseconds, against a running demo:
//
//     cargo run --release -- demo
//     set -a; . prokura-data/demo.env; set +a; node bench/flows.mjs
//
// "vendor" is the flow that the vendor documents, made to the same server.
import { createHash, randomBytes } from "node:crypto";
import { Agent, request } from "node:http";

const env = process.env;
const url = new URL(env.PROKURA_URL);
const agent = new Agent({ keepAlive: true });
const slas = `/shopper/auth/v1/organizations/${env.SLAS_ORG}/oauth2`;
const client = { client_id: env.SLAS_CLIENT_ID, channel_id: env.SLAS_SITE };
const ROUNDS = 60;
const LOGINS = 6;

const basic = (name, secret) => ({ authorization: "Basic " + Buffer.from(`${name}:${secret}`).toString("base64") });
const bearer = (token) => ({ authorization: "Bearer " + token });

/** Sends a request over a connection that stays open; any other status than the expected one is an error. */
function call(expected, method, path, { form, headers = {} } = {}) {
  const body = form ? new URLSearchParams(form).toString() : "";
  const type = form ? { "content-type": "application/x-www-form-urlencoded" } : {};
  const options = {
    host: url.hostname,
    port: url.port,
    method,
    path,
    agent,
    headers: { ...type, "content-length": Buffer.byteLength(body), ...headers },
  };
  return new Promise((resolve, reject) => {
    const sent = request(options, (answer) => {
      let text = "";
      answer.on("data", (part) => (text += part));
      answer.on("end", () => {
        if (answer.statusCode !== expected) reject(new Error(`${method} ${path}: ${answer.statusCode} ${text}`));
        else resolve({ headers: answer.headers, json: () => JSON.parse(text) });
      });
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

function pkce() {
  const verifier = randomBytes(64).toString("base64url");
  return { verifier, challenge: createHash("sha256").update(verifier).digest("base64url") };
}

function codeIn(answer, verifier) {
  const found = new URL(answer.headers.location).searchParams;
  return { code: found.get("code"), usid: found.get("usid"), code_verifier: verifier };
}

async function authorize(hint) {
  const { verifier, challenge } = pkce();
  const asked = { ...client, response_type: "code", hint, code_challenge: challenge, redirect_uri: env.SLAS_REDIRECT_URI };
  return codeIn(await call(303, "GET", `${slas}/authorize?${new URLSearchParams(asked)}`), verifier);
}

async function logIn() {
  const { verifier, challenge } = pkce();
  const form = { ...client, code_challenge: challenge, redirect_uri: env.SLAS_REDIRECT_URI };
  const headers = basic(env.SLAS_USER, env.SLAS_PASSWORD);
  return codeIn(await call(303, "POST", `${slas}/login`, { form, headers }), verifier);
}

const post = async (path, form) => (await call(200, "POST", `${slas}/${path}`, { form: { ...client, ...form } })).json();
const redeem = (code) =>
  post("token", { grant_type: "authorization_code_pkce", redirect_uri: env.SLAS_REDIRECT_URI, ...code });
const refresh = (token) => post("token", { grant_type: "refresh_token", refresh_token: token });

async function sessions(access, cookie) {
  const shown = cookie ? { cookie: `dwsid=${cookie}` } : {};
  const headers = { ...bearer(access), ...shown };
  const answer = await call(204, "POST", `/s/${env.SLAS_SITE}/dw/shop/v24_5/sessions`, { headers });
  const set = (answer.headers["set-cookie"] ?? []).find((line) => line.startsWith("dwsid="));
  return set?.slice("dwsid=".length).split(";")[0];
}

async function page(path, form) {
  const headers = basic(env.SLAS_PRIVATE_CLIENT_ID, env.SLAS_CLIENT_SECRET);
  const asked = { form: { site: env.SLAS_SITE, ...form }, headers };
  return (await call(200, "POST", `/t/${env.TENANT}/pages/${path}`, asked)).json();
}

async function guestOnHead() {
  const tokens = await redeem(await authorize("guest"));
  return { tokens, cookie: await sessions(tokens.access_token) };
}

async function bridgeFrom(pages) {
  const code = await authorize("sb-guest");
  return post("session-bridge/token", { grant_type: "session_bridge", login_id: "guest", dwsgst: pages.dwsgst, ...code });
}

const goOn = async ({ tokens }) => sessions((await refresh(tokens.refresh_token)).access_token);

/** Prints the median over some rounds; what must be there before is not counted. */
async function time(name, calls, rounds, before, work) {
  const times = [];
  for (let round = 0; round < rounds; round++) {
    const there = await before();
    const begun = performance.now();
    await work(there);
    times.push(performance.now() - begun);
  }
  times.sort((a, b) => a - b);
  console.log(`${name.padEnd(58)} ${calls} calls  ${times[Math.floor(rounds / 2)].toFixed(1)} ms`);
}

const nothing = async () => undefined;
// One account may log in once a second.
const aSecond = () => new Promise((resolve) => setTimeout(resolve, 1_050));

await guestOnHead();
await time("new guest on Head (authorize, token, sessions)", 3, ROUNDS, nothing, guestOnHead);
await time("new guest on ECOM, vendor (authorize, bridge)", 2, ROUNDS, () => page("session", {}), bridgeFrom);
await time("new guest on ECOM (pages/session)", 1, ROUNDS, nothing, () => page("session", {}));
await time("returning on Head (token, sessions)", 2, ROUNDS, guestOnHead, goOn);
await time("returning on ECOM, vendor (token, sessions, and a redirect)", 2, ROUNDS, guestOnHead, goOn);
await time("returning on ECOM (pages/session)", 1, ROUNDS, guestOnHead, ({ tokens }) =>
  page("session", { refresh_token: tokens.refresh_token }));
await time("another page of a known shopper (pages/session)", 1, ROUNDS, guestOnHead, ({ cookie }) =>
  page("session", { session: cookie }));
await time("another call of sessions (sessions)", 1, ROUNDS, guestOnHead, ({ tokens, cookie }) =>
  sessions(tokens.access_token, cookie));
await time("login on ECOM, vendor (login, token, sessions)", 3, LOGINS, aSecond, async () =>
  sessions((await redeem(await logIn())).access_token));
await time("login on ECOM (pages/login)", 1, LOGINS, aSecond, () =>
  page("login", { login: env.SLAS_USER, password: env.SLAS_PASSWORD }));
agent.destroy();
