// Both libraries with DPoP, as a public client whose tokens must be bound and whose proofs must hold the server's nonce:
// login, a code bound by a pushed request, userinfo, refresh, and what does not work without the key.
import { check, open, payload, visit } from "./browser.mjs";
import * as client from "openid-client";
import * as oauth from "oauth4webapi";

const { ISSUER, BOUND_CLIENT_ID, REDIRECT_URI, LE_1, LE_2 } = process.env;
const scope = "openid legal_entity offline_access";
const request = async (verifier, more) => ({
  redirect_uri: REDIRECT_URI, scope, code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: "S256", state: client.randomState(), nonce: client.randomNonce(), ...more,
});

async function withOpenidClient(context) {
  const config = await client.discovery(new URL(ISSUER), BOUND_CLIENT_ID, undefined, client.None(), {
    execute: [client.allowInsecureRequests],
  });
  check(config.serverMetadata().dpop_signing_alg_values_supported.includes("ES256"), "metadata names the algorithms");
  const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair("ES256"));
  const verifier = client.randomPKCECodeVerifier();
  const wish = await request(verifier, { legal_entity_id: LE_1, dpop_jkt: await DPoP.calculateThumbprint() });
  const pushed = await client.buildAuthorizationUrlWithPAR(config, wish, { DPoP });
  const checks = { pkceCodeVerifier: verifier, expectedNonce: wish.nonce, expectedState: wish.state, idTokenExpected: true };
  const answer = await visit(context, pushed, LE_1);
  const tokens = await client.authorizationCodeGrant(config, answer, checks, undefined, { DPoP });
  check(tokens.token_type === "dpop", "the token is bound");
  check(payload(tokens.access_token).cnf.jkt === await DPoP.calculateThumbprint(), "to this key");
  const person = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, { DPoP });
  check(person.legal_entity_id === LE_1, "userinfo takes it with a proof");
  const bare = await fetch(config.serverMetadata().userinfo_endpoint, { headers: { authorization: `Bearer ${tokens.access_token}` } });
  check(bare.status === 401 && bare.headers.get("www-authenticate").startsWith("DPoP"), "and not without");
  const switched = await client.refreshTokenGrant(config, tokens.refresh_token, { legal_entity_id: LE_2 }, { DPoP });
  check(switched.claims().legal_entity_id === LE_2 && switched.token_type === "dpop", "a refresh stays bound");
  const other = client.getDPoPHandle(config, await client.randomDPoPKeyPair("ES256"));
  const stolen = await client.refreshTokenGrant(config, switched.refresh_token, undefined, { DPoP: other }).catch(e => e);
  check(stolen.error === "invalid_grant", "another key gets nothing");
  const free = await client.refreshTokenGrant(config, switched.refresh_token).catch(e => e);
  check(free.error === "invalid_dpop_proof", "no key gets nothing");
  check((await client.refreshTokenGrant(config, switched.refresh_token, undefined, { DPoP })).refresh_token, "and nothing was lost");
}

async function withOauth4webapi(context) {
  const insecure = { [oauth.allowInsecureRequests]: true };
  const issuer = new URL(ISSUER);
  const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure));
  const who = { client_id: BOUND_CLIENT_ID };
  const DPoP = oauth.DPoP(who, await oauth.generateKeyPair("EdDSA"));
  const options = { ...insecure, DPoP };
  const again = async act => {
    try {
      return await act();
    } catch (error) {
      if (oauth.isDPoPNonceError(error)) return await act();
      throw error;
    }
  };
  const verifier = oauth.generateRandomCodeVerifier();
  const url = new URL(server.authorization_endpoint);
  const wish = await request(verifier, { client_id: BOUND_CLIENT_ID, response_type: "code", legal_entity_id: LE_2,
    dpop_jkt: await DPoP.calculateThumbprint() });
  for (const [name, value] of Object.entries(wish)) url.searchParams.set(name, value);
  const answer = oauth.validateAuthResponse(server, who, await visit(context, url, LE_2), wish.state);
  const tokens = await again(async () => {
    const response = await oauth.authorizationCodeGrantRequest(server, who, oauth.None(), answer, REDIRECT_URI, verifier, options);
    return oauth.processAuthorizationCodeResponse(server, who, response, { expectedNonce: wish.nonce, requireIdToken: true });
  });
  check(tokens.token_type === "dpop", "an Ed25519 key is as good");
  const about = await again(async () => {
    const response = await oauth.userInfoRequest(server, who, tokens.access_token, options);
    return oauth.processUserInfoResponse(server, who, oauth.skipSubjectCheck, response);
  });
  check(about.legal_entity_id === LE_2, "userinfo takes it with a proof");
  const next = await again(async () => {
    const response = await oauth.refreshTokenGrantRequest(server, who, oauth.None(), tokens.refresh_token, options);
    return oauth.processRefreshTokenResponse(server, who, response);
  });
  check(payload(next.access_token).cnf.jkt === await DPoP.calculateThumbprint(), "a refresh stays bound");
}

const { context, close } = await open();
try {
  await withOpenidClient(context);
  await withOauth4webapi(context);
  console.log("dpop: all well");
} finally {
  await close();
}
