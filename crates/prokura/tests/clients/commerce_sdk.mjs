// Salesforce's own SDK for browsers and servers, unchanged: every login helper it has, over plain HTTP, by both ways to
// say where the service is, as a public and as a private client.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { open, visit } from "./browser.mjs";
import { mailedAfter, toldAfter } from "./codes.mjs";

// The package's entry for ES modules does not load in Node.
const require = createRequire(import.meta.url);
const { ShopperLogin, helpers } = require("commerce-sdk-isomorphic");

const env = process.env;
const common = { organizationId: env.SLAS_ORG, siteId: env.SLAS_SITE, shortCode: "0dnz6oep" };
const redirectURI = env.SLAS_REDIRECT_URI;
const shopper = { username: env.EMAIL, password: env.PASSWORD };

const claims = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
const place = (token, index) => claims(token).isb.split("::")[index];

const slas = (clientId, where) =>
  new ShopperLogin({ parameters: { ...common, clientId }, throwOnBadResponse: true, ...where });

async function fails(work, status, message) {
  try {
    await work();
  } catch (error) {
    assert.equal(error.response?.status, status, String(error));
    const body = await error.response.json();
    assert.equal(body.status_code, String(status));
    if (message) assert.equal(body.message, message);
    return;
  }
  assert.fail(`expected ${status}`);
}

function isGuest(tokens) {
  assert.equal(tokens.id_token, "");
  assert.equal(tokens.enc_user_id, "");
  assert.equal(tokens.token_type, "Bearer");
  assert.equal(typeof tokens.refresh_token_expires_in, "number");
  assert.equal(tokens.status_code, undefined);
  assert.equal(place(tokens.access_token, 1), "upn:Guest");
  assert.equal(place(tokens.access_token, 3), `gcid:${tokens.customer_id}`);
}

function isRegistered(tokens) {
  assert.ok(tokens.id_token.length > 0);
  assert.match(tokens.enc_user_id, /^[0-9A-F]{32}$/);
  assert.equal(place(tokens.access_token, 1), `upn:${shopper.username}`);
  assert.equal(place(tokens.access_token, 4), `rcid:${tokens.customer_id}`);
  assert.match(tokens.customer_id, /^[A-Za-z0-9]{26}$/);
}

async function asPublic(where) {
  const slasClient = slas(env.SLAS_CLIENT_ID, where);
  const guest = await helpers.loginGuestUser({ slasClient, parameters: { redirectURI, dnt: false } });
  isGuest(guest);
  const { usid } = guest;

  // A second visit under the same name is the same guest; a refresh turns the token over, once.
  const again = await helpers.loginGuestUser({ slasClient, parameters: { redirectURI, usid } });
  assert.equal(again.usid, usid);
  assert.equal(again.customer_id, guest.customer_id);
  const renewed = await helpers.refreshAccessToken({ slasClient, parameters: { refreshToken: guest.refresh_token } });
  isGuest(renewed);
  assert.notEqual(renewed.refresh_token, guest.refresh_token);
  await fails(
    () => helpers.refreshAccessToken({ slasClient, parameters: { refreshToken: guest.refresh_token } }),
    400,
    "invalid refresh_token",
  );

  // The wish not to be followed is in the token, and changes with a refresh.
  assert.equal(claims(renewed.access_token).dnt, "0");
  const hidden = await helpers.refreshAccessToken({
    slasClient,
    parameters: { refreshToken: renewed.refresh_token, dnt: true },
  });
  assert.equal(claims(hidden.access_token).dnt, "1");

  const wrong = { ...shopper, password: "not the password" };
  await fails(
    () => helpers.loginRegisteredUserB2C({ slasClient, credentials: wrong, parameters: { redirectURI, usid } }),
    401,
  );
  const buyer = await helpers.loginRegisteredUserB2C({
    slasClient,
    credentials: shopper,
    parameters: { redirectURI, usid, dnt: true },
  });
  isRegistered(buyer);
  assert.equal(buyer.usid, usid, "the visitor keeps their name");
  assert.equal(place(buyer.access_token, 3), `gcid:${guest.customer_id}`, "and is known to have been this guest");
  assert.equal(claims(buyer.access_token).dnt, "1");
  await fails(
    () => helpers.refreshAccessToken({ slasClient, parameters: { refreshToken: hidden.refresh_token } }),
    400,
    "invalid refresh_token",
  );

  const kept = await helpers.refreshAccessToken({ slasClient, parameters: { refreshToken: buyer.refresh_token } });
  isRegistered(kept);
  assert.equal(kept.usid, usid);
  const told = await slasClient.getUserInfo({
    headers: { Authorization: `Bearer ${kept.access_token}` },
    parameters: { channel_id: env.SLAS_SITE },
  });
  assert.equal(told.email, shopper.username);
  assert.equal(told.customer_id, kept.customer_id);

  const gone = await helpers.logout({
    slasClient,
    parameters: { accessToken: kept.access_token, refreshToken: kept.refresh_token },
  });
  assert.equal(gone.access_token, "");
  await fails(
    () => helpers.refreshAccessToken({ slasClient, parameters: { refreshToken: kept.refresh_token } }),
    400,
    "invalid refresh_token",
  );
  const { jwks } = { jwks: await slasClient.getJwksUri() };
  assert.ok(jwks.keys.some((key) => key.kty === "EC" && key.crv === "P-256"));
  const about = await slasClient.getWellknownOpenidConfiguration();
  assert.equal(about.issuer, claims(guest.access_token).iss);
}

async function asPrivate(where) {
  const slasClient = slas(env.SLAS_PRIVATE_CLIENT_ID, where);
  const clientSecret = env.SLAS_CLIENT_SECRET;
  const guest = await helpers.loginGuestUserPrivate({ slasClient, parameters: {}, credentials: { clientSecret } });
  isGuest(guest);
  const same = await helpers.refreshAccessToken({
    slasClient,
    parameters: { refreshToken: guest.refresh_token },
    credentials: { clientSecret },
  });
  assert.equal(same.refresh_token, guest.refresh_token, "a private client keeps its token");
  await fails(
    () => helpers.refreshAccessToken({ slasClient, parameters: { refreshToken: guest.refresh_token } }),
    401,
  );
  await new Promise((done) => setTimeout(done, 1_100)); // The same account may log in once a second.
  const buyer = await helpers.loginRegisteredUserB2C({
    slasClient,
    credentials: { ...shopper, clientSecret },
    parameters: { redirectURI, usid: guest.usid },
  });
  isRegistered(buyer);
  assert.equal(buyer.usid, guest.usid);

  const basic = Buffer.from(`${env.SLAS_PRIVATE_CLIENT_ID}:${clientSecret}`).toString("base64");
  const headers = { Authorization: `Basic ${basic}` };
  const known = await slasClient.introspectToken({ headers, body: { token: buyer.access_token } });
  assert.equal(known.active, true);
  assert.equal(known.client_id, env.SLAS_PRIVATE_CLIENT_ID);
  await slasClient.revokeToken({ headers, body: { token: buyer.refresh_token } });
  assert.equal((await slasClient.introspectToken({ headers, body: { token: buyer.access_token } })).active, false);
  const trusted = await slasClient.getTrustedSystemAccessToken({
    headers,
    body: {
      grant_type: "client_credentials",
      hint: "ts_ext_on_behalf_of",
      login_id: shopper.username,
      idp_origin: "ecom",
      client_id: env.SLAS_PRIVATE_CLIENT_ID,
      channel_id: env.SLAS_SITE,
    },
  });
  isRegistered(trusted);
  assert.equal(place(trusted.access_token, 5), "tsob:ts_ext_on_behalf_of");
}

async function withoutPassword(where) {
  const slasClient = slas(env.SLAS_PRIVATE_CLIENT_ID, where);
  const credentials = { clientSecret: env.SLAS_CLIENT_SECRET };
  const guest = await helpers.loginGuestUserPrivate({ slasClient, parameters: {}, credentials });
  const ask = (parameters) => helpers.authorizePasswordless({ slasClient, credentials, parameters });
  const enter = (pwdlessLoginToken, more) =>
    helpers.getPasswordLessAccessToken({ slasClient, credentials, parameters: { pwdlessLoginToken, ...more } });
  const common = { userid: shopper.username, usid: guest.usid, locale: "en-US" };

  // The shop's own server is told the code and passes it on.
  const callbackURI = env.SLAS_PASSWORDLESS_CALLBACK;
  const call = await toldAfter(async () => {
    const asked = await ask({ ...common, mode: "callback", callbackURI, registerCustomer: false });
    assert.equal(asked.status, 200);
  });
  assert.equal(call.email_id, shopper.username);
  const buyer = await enter(call.token, { dnt: true });
  isRegistered(buyer);
  assert.equal(buyer.usid, guest.usid);
  assert.equal(place(buyer.access_token, 5), "login:pwdless");
  assert.equal(claims(buyer.access_token).dnt, "1");
  await fails(() => enter(call.token), 401, "Invalid token. It is wrong, was used, or is over.");

  // Or a mail brings it, to somebody new as well.
  const newcomer = `${Buffer.from(guest.usid).toString("hex").slice(0, 20)}@n.example`;
  const names = { firstName: "Nora", lastName: "Neu", email: newcomer };
  const code = await mailedAfter(newcomer, () =>
    ask({ userid: newcomer, mode: "email", registerCustomer: true, ...names }));
  const made = await enter(code);
  assert.equal(place(made.access_token, 2), "uidn:Nora Neu");
  await fails(() => ask({ ...common, mode: "sms" }).then((response) => {
    if (!response.ok) throw Object.assign(new Error("refused"), { response });
  }), 400);
}

/** A login elsewhere, in a real browser: as a public and as a private client, by the way the tenant prefers and by its name. */
async function elsewhere(where) {
  const { context, close } = await open();
  const clientSecret = env.SLAS_CLIENT_SECRET;
  try {
    for (const [clientId, privateClient, hint] of [
      [env.SLAS_CLIENT_ID, false, "ecom"],
      [env.SLAS_PRIVATE_CLIENT_ID, true, "ecom"],
      [env.SLAS_CLIENT_ID, false, undefined],
    ]) {
      const slasClient = slas(clientId, where);
      const guest = privateClient
        ? await helpers.loginGuestUserPrivate({ slasClient, parameters: {}, credentials: { clientSecret } })
        : await helpers.loginGuestUser({ slasClient, parameters: { redirectURI } });
      const parameters = { redirectURI, usid: guest.usid, hint };
      const { url, codeVerifier } = await helpers.authorizeIDP({ slasClient, parameters, privateClient });
      const end = await visit(context, url, "le-1");
      const { code, usid } = helpers.getCodeAndUsidFromUrl(end.href);
      assert.equal(usid, guest.usid, "the visitor keeps their name");
      const buyer = await helpers.loginIDPUser({
        slasClient,
        credentials: privateClient ? { clientSecret } : { codeVerifier },
        parameters: { redirectURI, code, usid, dnt: true },
      });
      isRegistered(buyer);
      assert.deepEqual([buyer.usid, claims(buyer.access_token).dnt], [usid, "1"]);
      const again = {
        slasClient,
        credentials: privateClient ? { clientSecret } : { codeVerifier },
        parameters: { redirectURI, code, usid },
      };
      await fails(() => helpers.loginIDPUser(again), 400);
    }
  } finally {
    await close();
  }
}

await asPublic({ proxy: env.PROKURA_URL });
await new Promise((done) => setTimeout(done, 1_100));
await asPublic({ baseUri: `${env.PROKURA_URL}/shopper/auth/v1` });
await asPrivate({ proxy: env.PROKURA_URL });
await withoutPassword({ proxy: env.PROKURA_URL });
await withoutPassword({ baseUri: `${env.PROKURA_URL}/shopper/auth/v1` });
await elsewhere({ proxy: env.PROKURA_URL });
console.log("all well");
