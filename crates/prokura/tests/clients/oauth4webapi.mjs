// oauth4webapi as a public client. Two tabs, two companies, each refreshed ten times at the same time: neither drifts,
// neither is logged out. A lost answer, asked for again, is the same; an old token later ends the family.
import { check, open, payload, visit } from "./browser.mjs";
import * as oauth from "oauth4webapi";

const { ISSUER, SPA_CLIENT_ID, REDIRECT_URI, LE_1, LE_2 } = process.env;
const insecure = { [oauth.allowInsecureRequests]: true };
const issuer = new URL(ISSUER);
const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure));
const client = { client_id: SPA_CLIENT_ID };
const none = oauth.None();

async function tab(context, company) {
  const verifier = oauth.generateRandomCodeVerifier(), state = oauth.generateRandomState(), nonce = oauth.generateRandomNonce();
  const url = new URL(server.authorization_endpoint);
  for (const [name, value] of Object.entries({
    client_id: SPA_CLIENT_ID, response_type: "code", redirect_uri: REDIRECT_URI, scope: "openid legal_entity offline_access",
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256", state, nonce,
    legal_entity_id: company,
  })) url.searchParams.set(name, value);
  const answer = oauth.validateAuthResponse(server, client, await visit(context, url, company), state);
  const response = await oauth.authorizationCodeGrantRequest(server, client, none, answer, REDIRECT_URI, verifier, insecure);
  return oauth.processAuthorizationCodeResponse(server, client, response, { expectedNonce: nonce, requireIdToken: true });
}

async function refresh(token) {
  const response = await oauth.refreshTokenGrantRequest(server, client, none, token, insecure);
  return oauth.processRefreshTokenResponse(server, client, response);
}

const { context, close } = await open();
try {
  const tabs = [await tab(context, LE_1), await tab(context, LE_2)];
  const companies = [LE_1, LE_2];
  await Promise.all(tabs.map(async (tokens, which) => {
    let newest = tokens;
    for (let round = 0; round < 10; round++) {
      // Two requests of one tab race with the same token, and with the other tab.
      const [one, two] = await Promise.all([refresh(newest.refresh_token), refresh(newest.refresh_token)]);
      check(one.refresh_token === two.refresh_token, "racing requests get the same successor");
      for (const answer of [one, two]) {
        check(payload(answer.access_token).legal_entity_id === companies[which], `tab ${which} drifted in round ${round}`);
      }
      newest = one;
    }
    tabs[which] = newest;
  }));
  const lost = await refresh(tabs[0].refresh_token);
  const again = await refresh(tabs[0].refresh_token);
  check(lost.refresh_token === again.refresh_token, "a lost answer is given again");
  const next = await refresh(again.refresh_token);
  const replay = await refresh(tabs[0].refresh_token).catch(e => e);
  check(replay.error === "invalid_grant", "an old token is refused");
  const dead = await refresh(next.refresh_token).catch(e => e);
  check(dead.error === "invalid_grant", "and its family is dead");
  check((await refresh(tabs[1].refresh_token)).refresh_token, "the other tab lives");
  const person = await oauth.userInfoRequest(server, client, tabs[1].access_token, insecure);
  const about = await oauth.processUserInfoResponse(server, client, oauth.skipSubjectCheck, person);
  check(about.legal_entity_id === LE_2, "userinfo of the other tab");
  console.log("oauth4webapi: all well");
} finally {
  await close();
}
