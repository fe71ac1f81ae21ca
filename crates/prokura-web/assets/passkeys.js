// Passkeys on the pages: the one script there is. Without it, and in browsers that know no passkeys, the forms it belongs
// to stay hidden or say so, and a password does. It asks this server alone and changes nothing but those forms.
(() => {
  "use strict";
  const form = document.querySelector("form[data-passkey]");
  if (!form || !window.PublicKeyCredential || !navigator.credentials) return;

  const bytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const named = (list) => (list || []).map((entry) => ({ ...entry, id: bytes(entry.id) }));

  // The first half of a ceremony, or nothing when the server leads elsewhere.
  async function begin() {
    const body = new URLSearchParams({ csrf: form.elements.csrf.value });
    const answer = await fetch(form.dataset.options, { method: "POST", body, redirect: "error" });
    const begun = await answer.json();
    if (begun.location) {
      location.assign(begun.location);
      return null;
    }
    return begun;
  }

  // The second half goes to the server as any form does.
  function finish(begun, credential) {
    const { response } = credential;
    const told = {
      id: credential.id,
      rawId: text(credential.rawId),
      type: credential.type,
      extensions: {},
      response: { clientDataJSON: text(response.clientDataJSON) },
    };
    if (response.attestationObject) {
      told.response.attestationObject = text(response.attestationObject);
    } else {
      told.response.authenticatorData = text(response.authenticatorData);
      told.response.signature = text(response.signature);
      told.response.userHandle = response.userHandle ? text(response.userHandle) : null;
    }
    form.elements.ceremony.value = begun.ceremony;
    form.elements.credential.value = JSON.stringify(told);
    form.submit();
  }

  function creation(begun) {
    const key = begun.options.publicKey;
    return {
      publicKey: {
        ...key,
        challenge: bytes(key.challenge),
        user: { ...key.user, id: bytes(key.user.id) },
        excludeCredentials: named(key.excludeCredentials),
      },
    };
  }

  function request(begun) {
    const key = begun.options.publicKey;
    return { publicKey: { ...key, challenge: bytes(key.challenge), allowCredentials: named(key.allowCredentials) } };
  }

  const isLogin = form.dataset.passkey === "get";
  let waiting = null;

  // While the page waits, the browser may offer passkeys where it offers addresses.
  async function offer() {
    if (!isLogin || !PublicKeyCredential.isConditionalMediationAvailable) return;
    if (!(await PublicKeyCredential.isConditionalMediationAvailable())) return;
    waiting = new AbortController();
    const { signal } = waiting;
    const begun = await begin();
    if (!begun || signal.aborted) return;
    const credential = await navigator.credentials.get({ ...request(begun), mediation: "conditional", signal });
    if (credential) finish(begun, credential);
  }

  async function ask() {
    if (waiting) waiting.abort();
    const begun = await begin();
    if (!begun) return;
    const credential = isLogin
      ? await navigator.credentials.get(request(begun))
      : await navigator.credentials.create(creation(begun));
    if (credential) finish(begun, credential);
  }

  // Nobody is told why: whoever closed the browser's question knows, and everything else is tried again or left.
  const quietly = (work) => work().catch(() => {});

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    quietly(ask);
  });
  form.hidden = false;
  quietly(offer);
})();
