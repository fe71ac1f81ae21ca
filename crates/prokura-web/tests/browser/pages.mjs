// Looks at every page of a folder in headless Chromium, light and dark, wide and narrow: axe-core finds nothing, nothing is wider
// than the screen. node pages.mjs FOLDER [PICTURES]: with PICTURES, each page is written there as one picture of its four looks.
import { createServer } from "node:http";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { chromium } from "playwright-core";

const [folder, pictures] = process.argv.slice(2);
const axe = readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const names = readdirSync(folder).filter(name => name.endsWith(".html")).map(name => name.slice(0, -5)).sort();
const kinds = { ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml" };
const WIDE = { width: 1100, height: 720 };
const NARROW = { width: 360, height: 640 };
const LOOKS = [["wide", "light", WIDE], ["wide", "dark", WIDE], ["narrow", "light", NARROW], ["narrow", "dark", NARROW]];
/** The longest picture of a page, in pixels. */
const LONGEST = 1500;

const server = createServer((request, answer) => {
  const path = normalize(decodeURIComponent(new URL(request.url, "http://x").pathname));
  try {
    answer.setHeader("content-type", kinds[extname(path)] ?? "application/octet-stream");
    answer.end(readFileSync(join(folder, path)));
  } catch {
    answer.writeHead(404).end();
  }
});
await new Promise(ready => server.listen(0, "127.0.0.1", ready));
const base = `http://127.0.0.1:${server.address().port}`;
const profile = mkdtempSync(join(tmpdir(), "prokura-pages-"));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: "/usr/bin/chromium",
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});

const problems = [];
let looked = 0;
try {
  if (names.length === 0) problems.push("there are no pages");
  const page = await context.newPage();
  for (const name of names) {
    const shots = [];
    for (const [width, scheme, viewport] of LOOKS) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
      const answer = await page.goto(`${base}/${name}.html`);
      const where = `${name}, ${width}, ${scheme}`;
      if (answer.status() !== 200) problems.push(`${where}: ${answer.status()}`);
      await page.evaluate(axe);
      const found = await page.evaluate(() => window.axe.run(document, {
        runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
      }));
      for (const violation of found.violations) {
        for (const node of violation.nodes) problems.push(`${where}: ${violation.id}: ${node.target} ${node.failureSummary}`);
      }
      const [inside, outside] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
      if (inside > outside) problems.push(`${where}: ${inside} pixels wide on a screen of ${outside}`);
      looked += 1;
      if (pictures) {
        const height = Math.min(LONGEST, await page.evaluate(() => document.documentElement.scrollHeight));
        await page.setViewportSize({ ...viewport, height: Math.max(height, 420) });
        shots.push((await page.screenshot()).toString("base64"));
      }
    }
    if (pictures) await write(name, shots);
  }
} finally {
  await context.close();
  server.close();
  rmSync(profile, { recursive: true, force: true });
}
if (problems.length > 0) {
  console.error(`${problems.length} found:\n${problems.slice(0, 60).join("\n")}`);
  process.exit(1);
}
console.log(`${looked} looks at ${names.length} pages: all well`);

/** The four looks side by side, as one picture. */
async function write(name, shots) {
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
