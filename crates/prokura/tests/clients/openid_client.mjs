// openid-client as a confidential client: discovery, login, userinfo, refresh, switch of company, pushed request,
// introspection, revocation, logout.
import { check, open, visit } from "./browser.mjs";
import * as client from "openid-client";

const { ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, LOGGED_OUT_URI, LE_1, LE_2, LE_FOREIGN } = process.env;
const config = await client.discovery(new URL(ISSUER), CLIENT_ID, CLIENT_SECRET, undefined, {
  execute: [client.allowInsecureRequests],
});
const scope = "openid profile email legal_entity offline_access";
const verifier = client.randomPKCECodeVerifier();
const wish = async more => ({
  redirect_uri: REDIRECT_URI, scope, code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: "S256", state: client.randomState(), nonce: client.randomNonce(), ...more,
});
const redeem = async (wanted, answer) => client.authorizationCodeGrant(config, answer, {
  pkceCodeVerifier: verifier, expectedNonce: wanted.nonce, expectedState: wanted.state, idTokenExpected: true,
});

const { context, close } = await open();
try {
  const first = await wish();
  const tokens = await redeem(first, await visit(context, client.buildAuthorizationUrl(config, first), LE_1));
  const claims = tokens.claims();
  check(claims.legal_entity_id === LE_1 && claims.legal_entity_name, "the ID token names the company");
  const person = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
  check(person.email === process.env.EMAIL && person.legal_entity_id === LE_1, "userinfo knows who and for whom");

  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);
  check(refreshed.legal_entity_id === LE_1, "a refresh keeps the company");
  const switched = await client.refreshTokenGrant(config, refreshed.refresh_token, { legal_entity_id: LE_2 });
  check(switched.claims().legal_entity_id === LE_2, "a switch needs no login");
  const refused = await client.refreshTokenGrant(config, switched.refresh_token, { legal_entity_id: LE_FOREIGN }).catch(e => e);
  check(refused.error === "invalid_target", "a company that is not theirs is refused");
  const kept = await client.refreshTokenGrant(config, switched.refresh_token);
  const known = await client.tokenIntrospection(config, kept.access_token);
  check(known.active && known.legal_entity_id === LE_2, "introspection knows the company");

  // The second tab: no password, the company in a pushed request.
  const second = await wish({ legal_entity_id: LE_1, prompt: "none" });
  const tab = await redeem(second, await visit(context, await client.buildAuthorizationUrlWithPAR(config, second), LE_1));
  check(tab.claims().legal_entity_id === LE_1 && tab.claims().sid === claims.sid, "another tab, another company, one session");

  await client.tokenRevocation(config, tab.refresh_token);
  check(!(await client.tokenIntrospection(config, tab.access_token)).active, "revoked is gone");
  check((await client.tokenIntrospection(config, kept.access_token)).active, "and takes nobody along");

  const page = await context.newPage();
  const end = client.buildEndSessionUrl(config, { id_token_hint: kept.id_token, post_logout_redirect_uri: LOGGED_OUT_URI });
  await page.goto(end.href);
  check(page.url().startsWith(LOGGED_OUT_URI), "logout leads back");
  const over = await client.refreshTokenGrant(config, kept.refresh_token).catch(e => e);
  check(over.error === "invalid_grant", "logout ends the family");
  console.log("openid-client: all well");
} finally {
  await close();
}
