// The auth logic of PWA Kit, as its public package has it, unchanged, in a real browser: a storefront on a host of its own
// that passes calls on to the server, once as they are and once as a private client whose secret stays on the shop's server.
import assert from "node:assert/strict";
import { createServer, request } from "node:http";
import { build } from "esbuild";
import { open, walk } from "./browser.mjs";
import { mailedAfter, toldAfter } from "./codes.mjs";

const env = process.env;
const redirectURI = env.SLAS_REDIRECT_URI;
const shop = new URL(redirectURI).origin;
const shopper = { username: env.EMAIL, password: env.PASSWORD };
const basic = Buffer.from(`${env.SLAS_PRIVATE_CLIENT_ID}:${env.SLAS_CLIENT_SECRET}`).toString("base64");

// The package is written for a bundler, as shops have one.
const bundle = await build({
  stdin: {
    contents: `import { default as auth } from "@salesforce/commerce-sdk-react/auth"; window.Auth = auth.default ?? auth;`,
    resolveDir: import.meta.dirname,
  },
  bundle: true,
  write: false,
  format: "iife",
  external: ["crypto"],
});
const script = bundle.outputFiles[0].text;

/** Which calls of the dialect the storefront passed on. */
const calls = [];

function passOn(asked, answer, path, headers) {
  calls.push(path.split("?")[0].split("/oauth2/")[1]);
  const url = new URL(path, env.PROKURA_URL);
  const sent = request(url, { method: asked.method, headers: { ...asked.headers, ...headers, host: url.host } }, (got) => {
    answer.writeHead(got.statusCode, got.headers);
    got.pipe(answer);
  });
  asked.pipe(sent);
}

const server = createServer((asked, answer) => {
  const [proxy, secret] = ["/mobify/proxy/api", "/mobify/slas/private"];
  if (asked.url.startsWith(proxy)) {
    passOn(asked, answer, asked.url.slice(proxy.length), {});
  } else if (asked.url.startsWith(secret)) {
    // What stands in `Authorization` of a login is the shopper's; the bearer token of a logout is theirs, too.
    const isToken = /\/oauth2\/(token|passwordless\/(login|token)|password\/(reset|action))/.test(asked.url);
    const isAgent = asked.url.includes("/oauth2/trusted-agent/token");
    const proof = isToken ? { authorization: `Basic ${basic}` } : isAgent ? { _sfdc_client_auth: basic } : {};
    passOn(asked, answer, asked.url.slice(secret.length), proof);
  } else if (asked.url === "/bundle.js") {
    answer.writeHead(200, { "content-type": "text/javascript" }).end(script);
  } else {
    answer.writeHead(200, { "content-type": "text/html" }).end(`<!doctype html><script src="/bundle.js"></script>`);
  }
});
await new Promise((ready) => server.listen(new URL(shop).port, ready));

/** A tab of the storefront, with the auth object of its client. */
async function tab(context, options) {
  const page = await context.newPage();
  await page.goto(`${shop}/`);
  await page.evaluate((config) => {
    const quiet = { warn() {}, error() {}, info() {}, debug() {}, log() {} };
    window.auth = new window.Auth({ ...config, logger: quiet, silenceWarnings: true, fetchOptions: {} });
  }, {
    organizationId: env.SLAS_ORG,
    shortCode: "0dnz6oep",
    siteId: env.SLAS_SITE,
    proxy: `${shop}/mobify/proxy/api`,
    redirectURI,
    defaultDnt: false,
    ...options,
  });
  return page;
}

const ready = (page) => page.evaluate(() => window.auth.ready());
const parsed = (page) => page.evaluate(() => window.auth.parseSlasJWT(window.auth.get("access_token")));
const cookie = async (context, name) => (await context.cookies(shop)).find((one) => one.name === `${name}_${env.SLAS_SITE}`);
const logIn = (page) => page.evaluate((credentials) => window.auth.loginRegisteredUserB2C(credentials), shopper);
const forget = (page) => page.evaluate(() => window.auth.delete("access_token"));
// The same account may log in once a second.
const aSecond = () => new Promise((done) => setTimeout(done, 1_100));

/** What the page of a controller knows of a visitor. */
async function pageOf(form) {
  const answer = await fetch(`${env.PROKURA_URL}/t/acme/pages/session`, {
    method: "POST",
    headers: { authorization: `Basic ${basic}` },
    body: new URLSearchParams({ site: env.SLAS_SITE, ...form }),
  });
  assert.equal(answer.status, 200);
  return answer.json();
}

async function shops(context, options) {
  const page = await tab(context, options);
  const guest = await ready(page);
  assert.equal(guest.customer_type, "guest");
  assert.deepEqual([(await parsed(page)).isGuest, (await parsed(page)).customerId], [true, guest.customer_id]);
  assert.equal((await cookie(context, "cc-nx-g")).value, guest.refresh_token);

  // Another tab finds everything there, and asks nobody.
  const other = await tab(context, options);
  const before = calls.length;
  assert.equal((await ready(other)).access_token, guest.access_token);
  assert.equal(calls.length, before);

  // The wish not to be followed goes through the token.
  await page.evaluate(() => window.auth.setDnt(true));
  assert.deepEqual([(await parsed(page)).dnt, await page.evaluate(() => window.auth.getDnt())], ["1", true]);

  await aSecond();
  const wrong = await page.evaluate(
    (credentials) => window.auth.loginRegisteredUserB2C(credentials).then(() => "in", () => "out"),
    { ...shopper, password: "not the password" },
  );
  assert.deepEqual([wrong, (await ready(page)).customer_type], ["out", "guest"]);
  await logIn(page);
  const buyer = await ready(page);
  assert.deepEqual([buyer.customer_type, buyer.usid], ["registered", guest.usid]);
  assert.notEqual(buyer.customer_id, guest.customer_id);
  assert.deepEqual([(await parsed(page)).loginId, (await parsed(page)).isGuest], [shopper.username, false]);
  assert.equal(await cookie(context, "cc-nx-g"), undefined, "the guest is gone");
  assert.equal((await ready(other)).customer_id, buyer.customer_id, "in the other tab as well");

  // Both tabs lost the access token, and refresh in the same moment with the one refresh token.
  for (let round = 0; round < 5; round++) {
    await forget(page);
    const both = await Promise.all([ready(page), ready(other)]);
    for (const one of both) assert.deepEqual([one.customer_type, one.customer_id], ["registered", buyer.customer_id]);
  }

  // Logged in on a page of a controller in between: the browser brings its token, and the storefront takes it over.
  const { access_token: theirs } = await pageOf({ refresh_token: (await cookie(context, "cc-nx")).value });
  await page.evaluate((token) => window.auth.set("access_token_sfra", token), theirs);
  assert.equal(await page.evaluate(() => window.auth.getAccessToken()), theirs);
  assert.deepEqual([(await ready(page)).access_token, (await ready(page)).customer_id], [theirs, buyer.customer_id]);

  const token = (await cookie(context, "cc-nx")).value;
  const gone = await page.evaluate(() => window.auth.logout());
  assert.deepEqual([gone.customer_type, await cookie(context, "cc-nx")], ["guest", undefined]);
  assert.notEqual(gone.usid, buyer.usid);
  assert.equal((await pageOf({ refresh_token: token })).kind, "guest", "what was their token opens nothing");
  await page.close();
  await other.close();
}

/** Somebody of the staff acts for a shopper and for a guest, in a window of their own as the storefront opens it. */
async function acts(context, options) {
  const page = await tab(context, options);
  await ready(page);
  for (const loginId of [shopper.username, undefined]) {
    const begun = await page.evaluate((loginId) => window.auth.authorizeTrustedAgent({ loginId }), loginId);
    const popup = await context.newPage();
    await popup.goto(begun.url);
    const end = await walk(popup, "le-1", redirectURI, { email: env.STAFF, password: env.PASSWORD });
    await popup.close();
    const [code, state] = ["code", "state"].map((name) => end.searchParams.get(name));
    assert.equal(state, begun.state);
    await page.evaluate((shown) => window.auth.loginTrustedAgent(shown), { loginId, code, state, codeVerifier: begun.codeVerifier });
    const who = await parsed(page);
    assert.deepEqual([who.isAgent, who.isGuest, who.dnt], [true, loginId === undefined, "1"]);
    assert.equal(who.agentId, env.STAFF_ID);
    if (loginId) assert.equal(who.loginId, loginId);
    assert.equal((await ready(page)).access_token, await page.evaluate(() => window.auth.get("access_token")));
  }
  await page.close();
}

/** The browser of somebody else. */
async function afresh(context) {
  await context.clearCookies();
  const page = await tab(context, { clientId: env.SLAS_CLIENT_ID });
  await page.evaluate(() => localStorage.clear());
  await page.close();
}

/** Who forgot the password logs in by a code, and chooses another one by another code. */
async function forgot(context, options) {
  const page = await tab(context, options);
  const guest = await ready(page);
  const isPrivate = options.clientId === env.SLAS_PRIVATE_CLIENT_ID;
  if (isPrivate) {
    const asked = { userid: shopper.username, callbackURI: env.SLAS_PASSWORDLESS_CALLBACK, register_customer: false };
    const call = await toldAfter(() =>
      page.evaluate((asked) => window.auth.authorizePasswordless(asked).then(() => true), asked));
    await page.evaluate((code) => window.auth.getPasswordLessAccessToken({ pwdlessLoginToken: code }), call.token);
    const buyer = await ready(page);
    assert.deepEqual([buyer.customer_type, buyer.usid], ["registered", guest.usid]);
  }
  const before = (await ready(page)).refresh_token;
  const code = await mailedAfter(shopper.username, () =>
    page.evaluate((user_id) => window.auth.getPasswordResetToken({ user_id, mode: "email" }).then(() => true), shopper.username));
  shopper.password = `${shopper.password}, and another one`;
  const chosen = { user_id: shopper.username, pwd_action_token: code, new_password: shopper.password };
  await page.evaluate((chosen) => window.auth.resetPassword(chosen), chosen);
  if (isPrivate) assert.equal((await pageOf({ refresh_token: before })).kind, "guest", "what was before is over");
  await aSecond();
  await logIn(page);
  assert.equal((await ready(page)).customer_type, "registered");
  await page.evaluate(() => window.auth.logout());
  await page.close();
}

const { context, close } = await open({ serves: false });
try {
  await shops(context, { clientId: env.SLAS_CLIENT_ID });
  await acts(context, { clientId: env.SLAS_CLIENT_ID });
  await afresh(context);
  await aSecond();
  const privateClient = { enablePWAKitPrivateClient: true, privateClientProxyEndpoint: `${shop}/mobify/slas/private` };
  await shops(context, { clientId: env.SLAS_PRIVATE_CLIENT_ID, ...privateClient });
  await acts(context, { clientId: env.SLAS_PRIVATE_CLIENT_ID, ...privateClient });
  await afresh(context);
  await forgot(context, { clientId: env.SLAS_PRIVATE_CLIENT_ID, ...privateClient });
  await afresh(context);
  await forgot(context, { clientId: env.SLAS_CLIENT_ID });
} finally {
  await close();
  server.close();
}
console.log("all well");
