// Walks through the headless and the classic storefront in headless Chromium, as one shopper with several tabs. axe-core
// finds nothing on any page, nothing is wider than the screen, and no script is refused or fails.
// node hybrid.mjs BASE EMAIL PASSWORD [PICTURES]: the customer acts for two companies. With PICTURES, each page is written there
// as one picture of its four looks.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { drawn, expect, launch, problems, row, run, start, state } from "./browser.mjs";

const [base, email, password, pictures] = process.argv.slice(2);
const axe = readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const { context, end } = await start();
let looked = 0;
/** Pictures end here, in pixels. */
const LONGEST = 1300;

async function open(where = context) {
  const page = await where.newPage();
  page.on("pageerror", error => problems.push(`a script failed: ${error.message}`));
  page.on("console", line => {
    // What the server refuses is part of the walk; what the browser refuses (a policy, a script) is not.
    const text = line.text();
    if (line.type() === "error" && !text.startsWith("Failed to load resource")) problems.push(`the browser says: ${text}`);
  });
  return page;
}

const LOOKS = [["wide", "light", 1100], ["wide", "dark", 1100], ["narrow", "light", 360], ["narrow", "dark", 360]];

async function look(page, name) {
  const shots = [];
  for (const [width, scheme, pixels] of LOOKS) {
    await page.setViewportSize({ width: pixels, height: 720 });
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    await page.evaluate(axe);
    const found = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
    for (const violation of found.violations) {
      for (const node of violation.nodes) problems.push(`${name}, ${width}, ${scheme}: ${violation.id}: ${node.target} ${node.failureSummary}`);
    }
    const [inside, outside] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
    expect(inside <= outside, `${name}, ${width}: ${inside} pixels wide on a screen of ${outside}`);
    if (pictures) {
      const height = Math.min(LONGEST, await page.evaluate(() => document.documentElement.scrollHeight));
      await page.setViewportSize({ width: pixels, height: Math.max(height, 420) });
      shots.push((await page.screenshot()).toString("base64"));
    }
    looked += 1;
  }
  await page.setViewportSize({ width: 1100, height: 720 });
  if (pictures) await paint(name, shots);
}

/** The four looks side by side, as one picture. */
async function paint(name, shots) {
  const sheet = await context.newPage();
  await sheet.setViewportSize({ width: 1440, height: 400 });
  const [wideLight, wideDark, narrowLight, narrowDark] = shots.map(shot => `data:image/png;base64,${shot}`);
  await sheet.setContent(`<!doctype html><style>
    body { margin: 0; padding: 12px; background: #8a94a0; display: flex; gap: 12px; align-items: flex-start }
    img { display: block; border-radius: 4px } .wide { width: 500px } .narrow { width: 190px }
    </style><img class="wide" src="${wideLight}"><img class="wide" src="${wideDark}">
    <img class="narrow" src="${narrowLight}"><img class="narrow" src="${narrowDark}">`);
  await sheet.evaluate(() => Promise.all([...document.images].map(image => image.decode())));
  const height = await sheet.evaluate(() => Math.ceil(Math.max(...[...document.images].map(i => i.getBoundingClientRect().bottom)) + 12));
  await sheet.setViewportSize({ width: 1440, height });
  const session = await context.newCDPSession(sheet);
  const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: 72 });
  mkdirSync(pictures, { recursive: true });
  writeFileSync(join(pictures, `${name}.webp`), Buffer.from(data, "base64"));
  await sheet.close();
}

/** Opens a page of Head and waits until it is drawn. */
async function head(page, path) {
  await page.goto(`${base}${path}`);
  await drawn(page);
}
const said = async page => (await page.locator("#notice .notice").textContent()).trim();
const acting = async page => (await page.locator("#acting-for strong").textContent()).trim();

/** Both halves say the same about who is here. */
async function agree(page, classic, words) {
  const here = await state(page);
  await classic.goto(`${base}/classic/session`);
  const there = { customerId: await row(classic, "customer-id"), kind: await row(classic, "kind"), company: await row(classic, "company") };
  expect(there.customerId === here.customerId && there.kind === here.kind && there.company === (here.legalEntityId ?? "none"),
    `${words}: the halves differ: ${JSON.stringify([here.customerId, here.kind, here.legalEntityId, there])}`);
  return here;
}

async function walk() {
  const page = await open();
  const classic = await open();

  // A guest, on Head first.
  await head(page, "/shop/");
  await look(page, "head-products");
  const cookies = await context.cookies(base);
  for (const name of ["cc-at_", "cc-nx-g_", "dwsid"]) {
    const cookie = cookies.find(cookie => cookie.name.startsWith(name) && !cookie.name.includes("expires"));
    expect(cookie?.httpOnly && cookie?.sameSite === "Lax", `${name}: ${JSON.stringify(cookie)}`);
  }
  const readable = await page.evaluate(() => document.cookie);
  expect(!/cc-at_|cc-nx(-g)?_|dwsid/.test(readable), `scripts can read ${readable}`);
  const guest = await agree(page, classic, "a guest");
  expect(guest.kind === "guest", "the first visitor is a guest");
  await page.bringToFront();
  await page.locator(".card form.add button").first().click();
  await page.locator("#notice .notice").waitFor();
  expect((await said(page)).startsWith("Added 1 ×"), `after adding: ${await said(page)}`);
  await head(page, "/shop/basket");
  await look(page, "head-basket");
  const product = await page.locator(".lines h2").first().textContent();
  await classic.goto(`${base}/classic/basket`);
  expect((await classic.locator(".lines h2").allTextContents()).join() === product, "the classic basket has what Head put in");
  await look(classic, "classic-basket");

  // A form rendered now is sent after the login: it was the guest's.
  const stale = await open();
  await stale.goto(`${base}/classic/session`);

  // Login on Head; the company is chosen, and the basket comes along.
  await head(page, "/shop/login");
  await look(page, "head-login");
  await page.fill("#email", email);
  await page.fill("#password", "wrong");
  await page.click(".panel button");
  await page.locator("#notice .warning").waitFor();
  await page.fill("#password", password);
  await page.click(".panel button");
  await page.waitForURL("**/shop/company");
  await drawn(page);
  await look(page, "head-company");
  const [first, second] = (await state(page)).companies;
  await page.locator(".choice", { hasText: first.name }).click();
  await page.locator("#notice .notice").waitFor();
  expect((await acting(page)) === first.name, `acts for ${await acting(page)}`);
  const customer = await agree(page, classic, "logged in on Head");
  expect(customer.kind === "registered" && customer.legalEntityId === first.id, "logged in for the first company");
  await classic.goto(`${base}/classic/basket`);
  expect((await classic.locator(".lines h2").allTextContents()).join() === product, "the basket came along");
  await stale.locator(".probe button").click();
  expect((await stale.locator("h1").textContent()) === "That page was out of date", "the guest's form is refused");
  await stale.close();

  // A switch on the classic pages; Head notices with its next call.
  await page.bringToFront();
  await head(page, "/shop/");
  await classic.goto(`${base}/classic/`);
  await look(classic, "classic-products");
  await classic.selectOption("#company", second.id);
  await classic.locator("form.switch button").click();
  await classic.locator(".notice").waitFor();
  await page.bringToFront();
  await page.locator("[data-section=products]").click();
  await page.waitForFunction(name => document.querySelector("#acting-for strong").textContent === name, second.name);
  const refused = await page.evaluate(company => fetch("/shop/bff/api/baskets/items", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Head": "1", "X-Acting-For": `company:${company}` },
    body: JSON.stringify({ productId: "CT-101", quantity: 1 }),
  }).then(async answer => [answer.status, (await answer.json()).kind]), first.id);
  expect(refused.join() === "409,acting_for", `what was meant for the first company: ${refused}`);
  // The second company has no basket.
  await page.locator("#count").waitFor({ state: "hidden" });
  await agree(page, classic, "switched on the classic pages");

  // A switch on Head; the classic pages follow.
  await page.bringToFront();
  await page.selectOption("#company", first.id);
  await page.locator("form.switch button").click();
  await page.waitForFunction(name => document.querySelector("#acting-for strong").textContent === name, first.name);
  await agree(page, classic, "switched on Head");

  // Three tabs without an access token at once.
  await context.clearCookies({ name: /^cc-at/ });
  const tabs = await Promise.all([open(), open(), open()]);
  await Promise.all(tabs.map(tab => head(tab, "/shop/orders")));
  for (const tab of tabs) expect((await acting(tab)) === first.name, `a tab of three acts for ${await acting(tab)}`);
  await agree(page, classic, "three tabs have refreshed");
  await tabs[0].close();
  await tabs[1].close();

  // A form rendered before the session cookie is lost is sent after it was restored.
  await classic.goto(`${base}/classic/session`);
  await look(classic, "classic-session");
  const session = (await context.cookies(base)).find(cookie => cookie.name === "dwsid").value;
  await context.clearCookies({ name: "dwsid" });
  await classic.locator(".probe button").click();
  expect((await classic.locator(".notice").textContent()).includes("The form arrived"), "a form outlives a bridge");
  expect((await context.cookies(base)).find(cookie => cookie.name === "dwsid")?.value !== session, "the session has another name");
  // The vendor's way: once to the same address with the new session.
  await context.clearCookies({ name: "dwsid" });
  const answers = [];
  classic.on("response", answer => answers.push(answer.status()));
  await classic.goto(`${base}/classic/session?q=1&bridge=302`);
  expect(answers[0] === 302 && classic.url() === `${base}/classic/session?q=1`, `the redirect: ${answers} ${classic.url()}`);
  await agree(page, classic, "restored");

  // The page for developers follows.
  const developers = await open();
  await developers.goto(`${base}/developers`);
  await developers.locator("#events tbody tr").first().waitFor();
  await look(developers, "developers");
  const shown = await developers.locator("main").textContent();
  for (const cookie of await context.cookies(base)) {
    // A guest's id is shown as such, in whichever cookie it is.
    const isSecret = cookie.httpOnly && !cookie.name.startsWith("dwanonymous_");
    if (isSecret && cookie.value.length > 8) expect(!shown.includes(cookie.value), `the page for developers shows ${cookie.name}`);
  }
  expect(!(await developers.locator("#agreement .trouble").count()), `the halves differ: ${await developers.locator("#agreement").textContent()}`);
  await developers.close();

  // An order, and logout on the classic pages: the other tab is a guest with its next click, and nothing comes back.
  await page.bringToFront();
  await head(page, "/shop/basket");
  await page.fill("#reference", "PO 42");
  await page.locator(".summary button").click();
  await page.waitForURL("**/shop/orders/*");
  await drawn(page);
  await look(page, "head-order");
  await classic.goto(`${base}/classic/orders`);
  expect((await classic.locator(".orders").textContent()).includes("PO 42"), "the classic pages show the order");
  await look(classic, "classic-orders");
  await classic.locator("[name=logout]").click();
  expect((await classic.locator(".notice").textContent()).includes("logged out"), "logged out");
  await classic.goBack();
  expect(!(await classic.content()).includes("PO 42"), `the back button shows orders of who logged out: ${classic.url()}`);
  await tabs[2].bringToFront();
  await tabs[2].locator("[data-section=products]").click();
  await tabs[2].waitForFunction(() => document.querySelector("#acting-for strong").textContent === "Guest");
  const after = await agree(page, classic, "logged out on the classic pages");
  expect(after.kind === "guest" && after.customerId !== guest.customerId, "a guest who has nothing to do with the one before");

  // Login on the classic pages, logout on Head, without any script on the classic side.
  const bare = await (await launch()).newContext({ javaScriptEnabled: false });
  const plain = await open(bare);
  await plain.goto(`${base}/classic/`);
  await plain.locator(".card form.add button").first().click();
  await plain.goto(`${base}/classic/login`);
  await plain.fill("#email", email);
  await plain.fill("#password", password);
  await plain.click(".panel button");
  await plain.locator(".choice", { hasText: first.name }).click();
  await plain.goto(`${base}/classic/basket`);
  expect((await plain.locator(".lines li").count()) === 1, "the guest's basket came along without scripts");
  expect((await plain.locator("#acting-for strong").textContent()) === first.name, "acts for the first company without scripts");
  await plain.goto(`${base}/shop/`);
  expect((await plain.locator("noscript").count()) === 1, "Head says that it needs scripts");
  await bare.browser().close();

  await classic.goto(`${base}/classic/login`);
  await look(classic, "classic-login");
  await classic.fill("#email", email);
  await classic.fill("#password", password);
  await classic.click(".panel button");
  await classic.waitForURL("**/classic/company**");
  await look(classic, "classic-company");
  await classic.locator(".choice", { hasText: first.name }).click();
  await classic.locator(".notice").waitFor();
  await page.bringToFront();
  await head(page, "/shop/orders");
  expect((await page.locator("#view").textContent()).includes("PO 42"), "the orders are there");
  await page.locator("#account button").click();
  await page.waitForFunction(() => document.querySelector("#acting-for strong").textContent === "Guest");
  await page.goBack();
  await drawn(page);
  expect((await acting(page)) === "Guest", `after logout the back button leads to ${await acting(page)}`);
  expect(!(await page.locator("#view").textContent()).includes("PO 42"), "the back button shows orders of who logged out on Head");
  await classic.goto(`${base}/classic/orders`);
  expect(classic.url().includes("/classic/login"), "a logout on Head is one on the classic pages");
}

await run(async () => {
  await walk();
  await end();
  console.log(`${looked} looks`);
});
