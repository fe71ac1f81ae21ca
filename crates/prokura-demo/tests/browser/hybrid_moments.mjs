// What time does to a shopper with both storefronts: the clock of all servers moves when it is told to.
// node hybrid_moments.mjs BASE SWITCH EMAIL PASSWORD: a POST to SWITCH moves the time.
import { drawn, expect, row, run, start, state } from "./browser.mjs";

const [base, control, email, password] = process.argv.slice(2);
const MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR;

async function pass(seconds) {
  const answer = await fetch(`${control}?seconds=${seconds}`, { method: "POST" });
  if (!answer.ok) throw new Error(`the clock: ${answer.status}`);
}

async function open(page, path) {
  const answer = await page.goto(`${base}${path}`);
  if (path.startsWith("/shop")) await drawn(page);
  return answer;
}

/** What both halves say; they must say the same. */
async function both(page, classic, words) {
  const here = await state(page);
  await open(classic, "/classic/session");
  const there = { customerId: await row(classic, "customer-id"), kind: await row(classic, "kind"), company: await row(classic, "company"), usid: await row(classic, "usid") };
  const same = there.customerId === here.customerId && there.kind === here.kind && there.usid === here.usid
    && there.company === (here.legalEntityId ?? "none");
  expect(same, `${words}: the halves differ: ${JSON.stringify([here, there])}`);
  return { ...there, session: await row(classic, "session"), csrf: await row(classic, "csrf"), restored: await row(classic, "restored") };
}

function sameShopper(before, after, words) {
  for (const name of ["customerId", "kind", "company", "usid", "csrf"]) {
    expect(after[name] === before[name], `${words}: ${name} was ${before[name]}, is ${after[name]}`);
  }
}

const basket = page => page.evaluate(() => fetch("/shop/bff/api/baskets").then(answer => answer.json()))
  .then(baskets => (baskets[0]?.items ?? []).map(item => `${item.quantity} ${item.productId}`).join());

/** As when a browser is closed: what was kept until its end is gone. */
async function reopen(context) {
  const kept = (await context.cookies(base)).filter(cookie => cookie.expires > 0);
  await context.clearCookies();
  await context.addCookies(kept);
}

async function guests() {
  const { context, end } = await start();
  const [page, classic] = [await context.newPage(), await context.newPage()];

  // A new guest who lands on Head.
  await open(page, "/shop/");
  const guest = await both(page, classic, "a guest who landed on Head");
  await page.bringToFront();
  await page.locator(".card form.add button").first().click();
  await page.locator("#notice .notice").waitFor();
  const chosen = await basket(page);
  expect(chosen.startsWith("1 "), `the guest's basket: ${chosen}`);

  // The access token ends, and so does the session that nobody used: the next click goes on, on either side.
  await open(classic, "/classic/session");
  await pass(31 * MINUTE);
  expect((await basket(page)) === chosen, "the basket after the access token's end");
  const later = await both(page, classic, "after 31 minutes");
  sameShopper(guest, later, "after 31 minutes");
  expect(later.session !== guest.session, "a session that was idle for 31 minutes is over");
  // A form that was rendered before both of them.
  await open(classic, "/classic/session");
  await pass(31 * MINUTE);
  await classic.locator(".probe button").click();
  expect((await classic.locator(".notice").textContent()).includes("The form arrived"), "a guest's form outlives the session");
  sameShopper(guest, await both(page, classic, "after the form"), "after the form");

  // A guest who returns after a week, on Head; and after another one on the classic pages, with the vendor's redirect.
  await reopen(context);
  await pass(7 * DAY);
  await open(page, "/shop/");
  sameShopper(guest, await both(page, classic, "a guest who returns on Head"), "a guest who returns on Head");
  await reopen(context);
  await pass(7 * DAY);
  const statuses = [];
  classic.on("response", answer => statuses.push(answer.status()));
  await open(classic, "/classic/session?bridge=302");
  expect(statuses[0] === 302 && statuses[1] === 200, `the redirect of a returning guest: ${statuses}`);
  expect((await row(classic, "customer-id")) === guest.customerId, "a guest who returns on the classic pages");
  await open(page, "/shop/");
  sameShopper(guest, await both(page, classic, "a guest who returned"), "a guest who returned");
  expect((await basket(page)) === chosen, "the basket after a fortnight");

  // After a month without a visit nobody knows the guest any more; both halves have the same new one.
  await pass(31 * DAY);
  await open(page, "/shop/");
  const stranger = await both(page, classic, "after a month");
  expect(stranger.kind === "guest", "a guest again");
  await end();
}

async function registered() {
  const { context, end } = await start();
  const [page, classic] = [await context.newPage(), await context.newPage()];

  // A new guest who lands on the classic pages, and logs in there.
  await open(classic, "/classic/");
  await open(page, "/shop/");
  const guest = await both(page, classic, "a guest who landed on the classic pages");
  await open(classic, "/classic/login");
  await classic.fill("#email", email);
  await classic.fill("#password", password);
  await classic.check("[name=remember]");
  await classic.click(".panel button");
  await classic.locator(".choice").first().click();
  await classic.locator(".notice").waitFor();
  const buyer = await both(page, classic, "logged in");
  expect(buyer.kind === "registered" && buyer.company !== "none", `logged in: ${JSON.stringify(buyer)}`);
  expect(buyer.usid === guest.usid && buyer.csrf !== guest.csrf && buyer.session !== guest.session,
    "the visitor stays, session and forms are others");

  // The end of the access token.
  await pass(29 * MINUTE);
  await open(classic, "/classic/session");
  await pass(2 * MINUTE);
  const renewed = await both(page, classic, "after the access token's end");
  sameShopper(buyer, renewed, "after the access token's end");
  expect(renewed.session === buyer.session, "a session in use goes on by the same name");

  // Idle: half an hour without a page. The company and a form from before are kept.
  await open(classic, "/classic/session");
  await pass(31 * MINUTE);
  await classic.locator(".probe button").click();
  expect((await classic.locator(".notice").textContent()).includes("The form arrived"), "a form outlives the session");
  const idle = await both(page, classic, "after an idle half hour");
  sameShopper(buyer, idle, "after an idle half hour");
  expect(idle.session !== renewed.session, "it is another session");

  // The hard end: six hours, a page every 25 minutes.
  const sessions = new Set();
  for (let turn = 0; turn < 15; turn += 1) {
    await pass(25 * MINUTE);
    await open(classic, "/classic/session");
    expect((await row(classic, "kind")) === "registered", `still logged in after ${25 * (turn + 1)} minutes`);
    sessions.add(await row(classic, "session"));
  }
  expect(sessions.size === 2, `six hours of activity: ${sessions.size} sessions, not two`);
  sameShopper(buyer, await both(page, classic, "after six hours"), "after six hours");

  // Who returns after a month, on either side.
  await reopen(context);
  await pass(30 * DAY);
  await open(page, "/shop/");
  sameShopper(buyer, await both(page, classic, "returns on Head"), "returns on Head");
  await reopen(context);
  await pass(30 * DAY);
  await open(classic, "/classic/session");
  expect((await row(classic, "restored")) === "yes" && (await row(classic, "customer-id")) === buyer.customerId, "returns on the classic pages");
  await open(page, "/shop/");
  sameShopper(buyer, await both(page, classic, "returned on the classic pages"), "returned on the classic pages");

  // The end of the login: a guest in both halves, and nothing of the login is left.
  await pass(91 * DAY);
  await open(classic, "/classic/orders");
  expect(classic.url().includes("/classic/login"), `after three months: ${classic.url()}`);
  await open(page, "/shop/");
  const over = await both(page, classic, "after three months");
  expect(over.kind === "guest" && over.customerId !== buyer.customerId, "the login is over");
  const left = (await context.cookies(base)).filter(cookie => cookie.name.startsWith("cc-nx_"));
  expect(left.length === 0, `left of the login: ${left.map(cookie => cookie.name)}`);
  await end();
}

await run(async () => {
  await guests();
  await registered();
});
