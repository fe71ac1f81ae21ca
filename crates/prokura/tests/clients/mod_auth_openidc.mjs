// Apache's mod_auth_openidc as a relying party, unchanged, with a person at Chromium: discovery, login, company, userinfo,
// refresh, logout from here and from there (back-channel).
import { check, open, walk } from "./browser.mjs";

const { ISSUER, APP_URL, EMAIL, LE_1 } = process.env;
const app = `${APP_URL}/protected/`;
const hook = `${APP_URL}/protected/redirect_uri`;
const { context, close } = await open({ serves: false });

/** What the module says about its session. */
async function info(page, more = "") {
  const answer = await page.goto(`${hook}?info=json${more}`);
  return answer.status() === 200 ? JSON.parse(await page.innerText("body")) : null;
}

/** Goes to the application and answers with the address the browser ends at, without logging in. */
async function ask(page) {
  // Never what the browser kept of the page.
  await page.goto(`${app}?${Date.now()}`);
  return page.url();
}

try {
  const page = await context.newPage();
  await page.goto(app);
  check(page.url().startsWith(`${ISSUER}/login`), "the application sends a stranger to the login");
  await walk(page, LE_1, app);
  check((await page.innerText("body")).includes("for members only"), "and lets them in afterward");
  const first = await info(page);
  check(first.userinfo.email === EMAIL && first.userinfo.legal_entity_id === LE_1, "userinfo says who and for whom");
  check(first.id_token.legal_entity_id === LE_1 && first.id_token.sid, "so does the ID token, with the session");
  const second = await info(page, "&access_token_refresh_interval=0");
  check(second.access_token && second.access_token !== first.access_token, "it refreshes");
  check(second.refresh_token !== first.refresh_token, "with a refresh token that is good once");

  // The person logs out at the identity server itself; the application hears of it from there.
  await page.goto(`${ISSUER}/logout`);
  await Promise.all([page.waitForNavigation(), page.click("button[name=action][value=log_out]")]);
  const begun = Date.now();
  while ((await ask(page)).startsWith(app)) {
    check(Date.now() - begun < 10_000, "a logout elsewhere ends the application's session");
    await new Promise(ready => setTimeout(ready, 200));
  }

  // And out by the application's own way.
  await walk(page, LE_1, app);
  check((await info(page)).id_token.sid !== first.id_token.sid, "a login is a new session");
  await page.goto(`${hook}?logout=${encodeURIComponent(`${APP_URL}/bye.html`)}`);
  check(page.url().startsWith(`${APP_URL}/bye.html`), `the logout leads back, not to ${page.url()}`);
  const end = await ask(page);
  check(end.startsWith(`${ISSUER}/login`), `both sessions are over, and nobody is at ${end}`);
  console.log("mod_auth_openidc: all well");
} finally {
  await close();
}
