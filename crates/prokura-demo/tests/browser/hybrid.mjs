// Walks through the headless and the classic storefront in headless Chromium, as one shopper with several tabs. axe-core
// finds nothing on any page, nothing is wider than the screen, and no script is refused or fails.
// node hybrid.mjs BASE EMAIL PASSWORD [PICTURES]: the customer acts for two companies. With PICTURES, pages are painted there.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [base, email, password, pictures] = process.argv.slice(2);
const axe = readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const profile = mkdtempSync(join(tmpdir(), "prokura-hybrid-"));
const options = {
  executablePath: "/usr/bin/chromium",
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
};
const context = await chromium.launchPersistentContext(profile, options);
context.setDefaultTimeout(20_000);
const problems = [];
let looked = 0;
if (pictures) mkdirSync(pictures, { recursive: true });

function expect(isTrue, words) {
  if (!isTrue) problems.push(words);
}

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
    if (pictures) await page.screenshot({ path: join(pictures, `${name}-${width}-${scheme}.png`), fullPage: true });
    looked += 1;
  }
  await page.setViewportSize({ width: 1100, height: 720 });
}

/** Opens a page of Head and waits until it is drawn. */
async function head(page, path) {
  await page.goto(`${base}${path}`);
  await drawn(page);
}
const drawn = page => page.waitForFunction(() => !document.body.hasAttribute("aria-busy") && document.querySelector("#view h1"));
const said = async page => (await page.locator("#notice .notice").textContent()).trim();
const acting = async page => (await page.locator("#acting-for strong").textContent()).trim();
const row = async (page, id) => (await page.locator(`#session-${id}`).textContent()).trim();
const state = page => page.evaluate(() => fetch("/shop/bff/state").then(answer => answer.json()));

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
  expect(await page.locator("#count").isHidden(), "the second company has no basket");
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
    if (cookie.httpOnly && cookie.value.length > 8) expect(!shown.includes(cookie.value), `the page for developers shows ${cookie.name}`);
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
  const bare = await (await chromium.launch(options)).newContext({ javaScriptEnabled: false });
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
  await page.bringToFront();
  await head(page, "/shop/company");
  await page.locator("#account button").click();
  await page.waitForFunction(() => document.querySelector("#acting-for strong").textContent === "Guest");
  await classic.goto(`${base}/classic/orders`);
  expect(classic.url().includes("/classic/login"), "a logout on Head is one on the classic pages");
}

try {
  await walk();
} catch (error) {
  problems.push(`the walk ended: ${error.stack}`);
} finally {
  await context.close();
  rmSync(profile, { recursive: true, force: true });
}
if (problems.length > 0) {
  console.error(`${problems.length} found:\n${problems.slice(0, 40).join("\n")}`);
  process.exit(1);
}
console.log(`${looked} looks: all well`);
