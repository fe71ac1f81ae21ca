// What the walks share: a headless Chromium with a profile of its own, and what to expect of it.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const options = {
  executablePath: "/usr/bin/chromium",
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-proxy-server"],
};

export const problems = [];
export function expect(isTrue, words) {
  if (!isTrue) problems.push(words);
}

/** A browser that keeps nothing. */
export const launch = () => chromium.launch(options);

/** A browser; `preferences` are those a person sets on its settings pages. */
export async function start(preferences = {}) {
  const profile = mkdtempSync(join(tmpdir(), "prokura-hybrid-"));
  mkdirSync(join(profile, "Default"));
  writeFileSync(join(profile, "Default", "Preferences"), JSON.stringify(preferences));
  const context = await chromium.launchPersistentContext(profile, options);
  context.setDefaultTimeout(60_000);
  return { context, end: async () => { await context.close(); rmSync(profile, { recursive: true, force: true }); } };
}

/** Waits until Head has drawn its page. */
export const drawn = page => page.waitForFunction(() => !document.body.hasAttribute("aria-busy") && document.querySelector("#view h1"));

/** Who is here, as Head sees it. */
export const state = page => page.evaluate(() => fetch("/shop/bff/state").then(answer => answer.json()));

/** A row of the classic page about the session. */
export const row = async (page, id) => (await page.locator(`#session-${id}`).textContent()).trim();

/** Runs a walk, and says how it went. */
export async function run(walk) {
  try {
    await walk();
  } catch (error) {
    problems.push(`the walk ended: ${error.stack}`);
  }
  if (problems.length > 0) {
    console.error(`${problems.length} found:\n${problems.slice(0, 40).join("\n")}`);
    process.exit(1);
  }
  console.log("all well");
}
