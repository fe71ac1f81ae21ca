// node-oidc-provider as people run it, in memory and signing ES256, with buyers who are logged in already. Says on one
// line where it listens, and with what its rows can begin.

import { createServer } from "node:http";
import { once } from "node:events";
import { createHash, randomBytes } from "node:crypto";
import * as jose from "jose";
import Provider from "oidc-provider";

const buyers = Number(process.argv[2] ?? 32);
const REDIRECT = "http://127.0.0.1:9/callback";
const RESOURCE = "http://127.0.0.1:9/api";

// The adapter it comes with forgets all but a thousand entries.
const shelves = new Map();
class Memory {
  constructor(name) {
    if (!shelves.has(name)) shelves.set(name, { entries: new Map(), uids: new Map(), grants: new Map() });
    Object.assign(this, shelves.get(name));
  }
  async upsert(id, payload) {
    this.entries.set(id, payload);
    if (payload.uid) this.uids.set(payload.uid, id);
    if (payload.grantId) {
      if (!this.grants.has(payload.grantId)) this.grants.set(payload.grantId, new Set());
      this.grants.get(payload.grantId).add(id);
    }
  }
  async find(id) { return this.entries.get(id); }
  async findByUid(uid) { return this.entries.get(this.uids.get(uid)); }
  async findByUserCode() { return undefined; }
  async consume(id) { const entry = this.entries.get(id); if (entry) entry.consumed = Math.floor(Date.now() / 1000); }
  async destroy(id) { this.entries.delete(id); }
  async revokeByGrantId(grantId) { for (const id of this.grants.get(grantId) ?? []) this.entries.delete(id); }
}

const client = (id, more) => ({
  client_id: id, redirect_uris: [REDIRECT], grant_types: ["authorization_code", "refresh_token"],
  response_types: ["code"], token_endpoint_auth_method: "none", id_token_signed_response_alg: "ES256", ...more,
});
const pair = await jose.generateKeyPair("ES256", { extractable: true });
const signing = { ...(await jose.exportJWK(pair.privateKey)), alg: "ES256", use: "sig", kid: "k1" };

const server = createServer();
server.listen(0, "127.0.0.1");
await once(server, "listening");
const issuer = `http://127.0.0.1:${server.address().port}`;
const provider = new Provider(issuer, {
  adapter: Memory,
  clients: [
    client("web", {}),
    client("bound", { dpop_bound_access_tokens: true }),
    { client_id: "api", client_secret: "secret-of-the-api", id_token_signed_response_alg: "ES256", grant_types: [], response_types: [], redirect_uris: [],
      token_endpoint_auth_method: "client_secret_post", introspection_endpoint_auth_method: "client_secret_post" },
  ],
  jwks: { keys: [signing] },
  cookies: { keys: [randomBytes(32).toString("hex")] },
  scopes: ["openid", "offline_access"],
  pkce: { required: () => true },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  rotateRefreshToken: () => true,
  issueRefreshToken: async () => true,
  ttl: { AccessToken: 900, AuthorizationCode: 60, RefreshToken: 86400, Session: 86400, Grant: 86400, Interaction: 600, IdToken: 900 },
  features: {
    devInteractions: { enabled: false },
    dPoP: { enabled: true, nonceSecret: randomBytes(32) },
    introspection: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => RESOURCE,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: "openid offline_access", accessTokenFormat: "jwt", accessTokenTTL: 900, jwt: { sign: { alg: "ES256" } } }),
    },
  },
});
const callback = provider.callback();
server.on("request", async (request, response) => {
  const match = /^\/interaction\/([\w-]+)\?who=(\w+)|^\/interaction\/([\w-]+)/.exec(request.url);
  if (!match) return callback(request, response);
  // Everybody who comes is let in, as the buyer their cookie says.
  const who = /who=(buyer\d+)/.exec(request.headers.cookie ?? "")?.[1] ?? "buyer0";
  const { params } = await provider.interactionDetails(request, response);
  const grant = new provider.Grant({ accountId: who, clientId: params.client_id });
  grant.addOIDCScope("openid offline_access");
  grant.addResourceScope(RESOURCE, "openid offline_access");
  const grantId = await grant.save();
  await provider.interactionFinished(request, response, { login: { accountId: who }, consent: { grantId } });
});

// Cookies of one browser, by name.
const browser = (who) => {
  const jar = new Map([["who", who]]);
  return {
    header: () => [...jar].map(([name, value]) => `${name}=${value}`).join("; "),
    async get(url) {
      const answer = await fetch(url, { redirect: "manual", headers: { cookie: this.header() } });
      for (const cookie of answer.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
        if (value) jar.set(name, value); else jar.delete(name);
      }
      return answer;
    },
  };
};
const verifier = "v".repeat(43);
const challenge = createHash("sha256").update(verifier).digest("base64url");
const authorize = (id) => `/auth?${new URLSearchParams({
  client_id: id, redirect_uri: REDIRECT, response_type: "code", scope: "openid offline_access", prompt: "consent",
  code_challenge: challenge, code_challenge_method: "S256", state: "s" })}`;

async function enter(id, who, dpop) {
  const person = browser(who);
  let url = issuer + authorize(id);
  for (;;) {
    const answer = await person.get(url);
    const location = new URL(answer.headers.get("location"), issuer);
    if (location.href.startsWith(REDIRECT)) { url = location; break; }
    url = location.href;
  }
  const body = new URLSearchParams({ grant_type: "authorization_code", client_id: id, redirect_uri: REDIRECT,
    code: url.searchParams.get("code"), code_verifier: verifier });
  const answer = await fetch(`${issuer}/token`, { method: "POST", body, headers: dpop ? { DPoP: await dpop() } : {} });
  if (!answer.ok) throw new Error(await answer.text());
  return { person, tokens: await answer.json() };
}

const proofs = await jose.generateKeyPair("ES256", { extractable: true });
const jwk = await jose.exportJWK(proofs.publicKey);
const proof = () => new jose.SignJWT({ jti: randomBytes(16).toString("hex"), htm: "POST", htu: `${issuer}/token` })
  .setProtectedHeader({ typ: "dpop+jwt", alg: "ES256", jwk }).setIssuedAt().sign(proofs.privateKey);

const said = { address: `127.0.0.1:${server.address().port}`, buyers: [], bound: [], key: await jose.exportJWK(proofs.privateKey) };
for (let number = 0; number < buyers; number += 1) {
  const { person, tokens } = await enter("web", `buyer${number}`);
  const bound = await enter("bound", `buyer${number}`, proof);
  said.buyers.push({ cookie: person.header(), refresh_token: tokens.refresh_token, access_token: tokens.access_token });
  said.bound.push({ cookie: bound.person.header() });
}
console.log(JSON.stringify(said));
