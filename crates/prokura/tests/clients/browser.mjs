// A person at headless Chromium: logs in, chooses a company, and ends at the client's own address, which is served here.
import { webcrypto } from "node:crypto";
globalThis.crypto ??= webcrypto;
import { createServer } from "node:http";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const { EMAIL, PASSWORD, REDIRECT_URI } = process.env;

export async function open({ serves = true } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "prokura-browser-"));
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: "/usr/bin/chromium",
    headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
  const server = createServer((_, answer) => answer.end("done"));
  if (serves) await new Promise(ready => server.listen(new URL(REDIRECT_URI).port, ready));
  const close = async () => {
    await context.close();
    if (serves) server.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return { context, close };
}

/** Opens `url` in a tab of its own and answers with the address the browser ends at. */
export async function visit(context, url, company) {
  const page = await context.newPage();
  await page.goto(url.href ?? url);
  const end = await walk(page, company, REDIRECT_URI);
  await page.close();
  return end;
}

/** Goes through the pages of a login until the browser is at `target`, and answers with the address. */
export async function walk(page, company, target, who = { email: EMAIL, password: PASSWORD }) {
  for (let step = 0; step < 6; step++) {
    const at = page.url();
    if (at.startsWith(target)) break;
    if (await page.locator("input[name=password]").count()) {
      await page.fill("input[name=password]", who.password);
      await leave(page, () => page.click("button[name=action][value=log_in]"));
    } else if (await page.locator("input[name=username]").count()) {
      await page.fill("input[name=username]", who.email);
      await leave(page, () => page.click("button[name=action][value=continue]"));
    } else if (await page.locator("button[name=action][value=choose]").count()) {
      await page.check(`input[name=legal_entity_id][value="${company}"]`);
      await leave(page, () => page.click("button[name=action][value=choose]"));
    } else if (await page.locator("button[name=action][value=allow]").count()) {
      await leave(page, () => page.click("button[name=action][value=allow]"));
    } else {
      throw new Error(`a page nobody expected at ${at}: ${await page.innerText("body")}`);
    }
  }
  const end = page.url();
  if (!end.startsWith(target)) throw new Error(`the login ended at ${end}`);
  return new URL(end);
}

async function leave(page, act) {
  await Promise.all([page.waitForNavigation(), act()]);
}

export function check(is, what) {
  if (!is) throw new Error(`not so: ${what}`);
}

export function payload(token) {
  return JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());
}

// Called as a program, it logs in once for a client in another language: node browser.mjs URL COMPANY
if (process.argv[1]?.endsWith("browser.mjs")) {
  const { context, close } = await open();
  try {
    console.log((await visit(context, process.argv[2], process.argv[3])).href);
  } finally {
    await close();
  }
}
