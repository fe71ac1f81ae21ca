// One shopper on two hosts of one domain, and what is left of that where a browser takes no cookies from one of them.
// node hybrid_hosts.mjs PORT EMAIL PASSWORD
import { drawn, expect, row, run, start, state } from "./browser.mjs";

const [port, email, password] = process.argv.slice(2);
const shop = `http://shop.demo.localhost:${port}`, classic = `http://classic.demo.localhost:${port}`;
/** How Chromium keeps that a site may set no cookies. */
const blocked = host => ({ profile: { content_settings: { exceptions: { cookies: { [`[*.]${host},*`]: { setting: 2 } } } } } });

async function head(page, path) {
  await page.goto(`${shop}${path}`);
  await drawn(page);
}

async function shared() {
  const { context, end } = await start();
  const page = await context.newPage();
  await page.goto(`${shop}/`);
  await drawn(page);
  expect(page.url() === `${shop}/shop/`, `the home page of the host: ${page.url()}`);
  const guest = await state(page);
  await page.goto(`${classic}/`);
  expect(page.url() === `${classic}/classic/`, `the home page of the host: ${page.url()}`);
  await page.goto(`${classic}/classic/session`);
  expect((await row(page, "customer-id")) === guest.customerId, "both hosts have the same guest");
  await page.goto(`${classic}/classic/login`);
  await page.fill("#email", email);
  await page.fill("#password", password);
  await page.click(".panel button");
  await page.locator(".choice").first().click();
  await page.locator(".notice").waitFor();
  await page.goto(`${classic}/classic/session`);
  const company = await row(page, "company");
  await head(page, "/shop/");
  const here = await state(page);
  expect(here.kind === "registered" && here.legalEntityId === company, `the login is on both hosts: ${JSON.stringify(here)}`);
  // The private person, chosen on Head.
  await page.selectOption("#company", "");
  await page.locator("form.switch button").click();
  await page.locator("#notice .notice").waitFor();
  expect((await state(page)).legalEntityId === null, `back to the private person: ${await page.locator("#notice").textContent()}`);
  await page.goto(`${classic}/classic/session`);
  expect((await row(page, "company")) === "none", "nobody is acted for on both hosts");
  expect((await row(page, "kind")) === "registered", "and the login goes on");
  await end();
}

async function withoutCookiesOnClassic() {
  const { context, end } = await start(blocked("classic.demo.localhost"));
  const page = await context.newPage();
  await head(page, "/shop/login");
  await page.fill("#email", email);
  await page.fill("#password", password);
  await page.click(".panel button");
  await page.waitForURL("**/shop/company");
  await drawn(page);
  const mine = await state(page);
  for (const path of ["/classic/", "/classic/?bridge=302", "/classic/session", "/classic/session"]) {
    const answer = await page.goto(`${classic}${path}`);
    expect(answer.status() === 200 && !answer.request().redirectedFrom(), `${path} without cookies: ${answer.status()}`);
  }
  expect((await row(page, "kind")) === "guest", "whoever shows no cookie is a guest");
  await page.locator(".probe button").click();
  expect((await page.locator("h1").textContent()) === "That page was out of date", "and their forms say why they do nothing");
  expect((await page.locator("main").textContent()).includes("keeps no cookies"), "in words");
  await head(page, "/shop/");
  const still = await state(page);
  expect(still.customerId === mine.customerId && still.kind === "registered", "the login on Head is untouched");
  await end();
}

async function withoutCookiesOnHead() {
  const { context, end } = await start(blocked("shop.demo.localhost"));
  const page = await context.newPage();
  await page.goto(`${classic}/classic/login`);
  await page.fill("#email", email);
  await page.fill("#password", password);
  await page.click(".panel button");
  await page.locator(".choice").first().click();
  await page.goto(`${classic}/classic/session`);
  const mine = await row(page, "customer-id");
  await head(page, "/shop/");
  const stranger = await state(page);
  expect(stranger.kind === "guest" && stranger.customerId !== mine, `Head without cookies: ${JSON.stringify(stranger)}`);
  await page.goto(`${classic}/classic/session`);
  expect((await row(page, "customer-id")) === mine && (await row(page, "kind")) === "registered", "the login on the classic pages is untouched");
  await end();
}

await run(async () => {
  await shared();
  // The server takes one login of a person each second.
  await withoutCookiesOnClassic();
  await withoutCookiesOnHead();
});
