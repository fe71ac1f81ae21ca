// A client of its own in one file, without packages: node first-client.mjs
// It wants ISSUER, CLIENT_ID and CLIENT_SECRET, prints an address to open, and waits for the browser to come back.
import { createServer } from "node:http";
import { createHash, randomBytes } from "node:crypto";

const { ISSUER, CLIENT_ID, CLIENT_SECRET, PORT = "9000" } = process.env;
const redirectUri = `http://127.0.0.1:${PORT}/callback`;
const random = () => randomBytes(32).toString("base64url");
const [verifier, state, nonce] = [random(), random(), random()];
const metadata = await (await fetch(`${ISSUER}/.well-known/openid-configuration`)).json();

async function token(fields) {
  const answer = await fetch(metadata.token_endpoint, {
    method: "POST",
    headers: { Authorization: "Basic " + Buffer.from(`${CLIENT_ID}:${CLIENT_SECRET}`).toString("base64") },
    body: new URLSearchParams(fields),
  });
  const body = await answer.json();
  if (!answer.ok) throw new Error(`${body.error}: ${body.error_description}`);
  return body;
}

const ask = new URL(metadata.authorization_endpoint);
ask.search = new URLSearchParams({
  response_type: "code", client_id: CLIENT_ID, redirect_uri: redirectUri, state, nonce,
  scope: "openid email legal_entity offline_access",
  code_challenge: createHash("sha256").update(verifier).digest("base64url"), code_challenge_method: "S256",
});
console.log(`Open this address and log in:\n\n  ${ask}\n`);

createServer(async (request, response) => {
  const answer = new URL(request.url, redirectUri).searchParams;
  response.end("Done. Look at the terminal.");
  if (!answer.has("code") && !answer.has("error")) return;
  if (answer.get("state") !== state || answer.get("iss") !== ISSUER) throw new Error("not the answer to our question");
  if (answer.has("error")) throw new Error(answer.get("error"));

  const tokens = await token({
    grant_type: "authorization_code", code: answer.get("code"), redirect_uri: redirectUri, code_verifier: verifier,
  });
  console.log(`Acting for ${tokens.legal_entity_id ?? "nobody but themselves"} with the scopes: ${tokens.scope}`);
  const person = await fetch(metadata.userinfo_endpoint, { headers: { Authorization: `Bearer ${tokens.access_token}` } });
  console.log("Who it is:", await person.json());

  if (process.env.OTHER_COMPANY) {
    const other = await token({
      grant_type: "refresh_token", refresh_token: tokens.refresh_token, legal_entity_id: process.env.OTHER_COMPANY,
    });
    console.log(`Without another login, acting for ${other.legal_entity_id}`);
  }
  process.exit();
}).listen(PORT, "127.0.0.1");
