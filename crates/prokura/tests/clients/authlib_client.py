"""Authlib as a confidential client that puts its secret into the form."""

import base64
import json
import os
import subprocess
import sys

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
from authlib.integrations.requests_client import OAuth2Session  # noqa: E402
from authlib.common.security import generate_token  # noqa: E402
from joserfc import jwt  # noqa: E402
from joserfc.jwk import KeySet  # noqa: E402
import requests  # noqa: E402

issuer, company = os.environ["ISSUER"], os.environ["LE_1"]
metadata = requests.get(issuer + "/.well-known/openid-configuration", timeout=10).json()
session = OAuth2Session(
    os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"], scope="openid email legal_entity offline_access",
    redirect_uri=os.environ["REDIRECT_URI"], token_endpoint_auth_method="client_secret_post", code_challenge_method="S256",
    token_endpoint=metadata["token_endpoint"],
)
verifier, nonce = generate_token(48), generate_token(20)
url, state = session.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce)
answer = subprocess.run(["node", "browser.mjs", url, company], check=True, capture_output=True, text=True).stdout.strip()
token = session.fetch_token(metadata["token_endpoint"], authorization_response=answer, code_verifier=verifier, state=state)
keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=10).json())
claims = jwt.decode(token["id_token"], keys, algorithms=["ES256"]).claims
assert claims["nonce"] == nonce and claims["legal_entity_id"] == company, claims
assert session.get(metadata["userinfo_endpoint"]).json()["email"] == os.environ["EMAIL"]
switched = session.refresh_token(metadata["token_endpoint"], refresh_token=token["refresh_token"], legal_entity_id=os.environ["LE_2"])
payload = switched["access_token"].split(".")[1]
body = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
assert body["legal_entity_id"] == os.environ["LE_2"], body
assert session.introspect_token(metadata["introspection_endpoint"], token=switched["access_token"]).json()["active"]
assert session.revoke_token(metadata["revocation_endpoint"], token=switched["refresh_token"]).status_code == 200
assert not session.introspect_token(metadata["introspection_endpoint"], token=switched["access_token"]).json()["active"]
print("Authlib: all well", file=sys.stdout)
