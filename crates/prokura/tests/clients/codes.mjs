// One-time codes as they arrive: by a call to the shop's server, which the test plays, or by a mail in a folder.
import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";

const env = process.env;

/** Codes are sent after the answer, so they are a moment late. */
async function soon(look) {
  for (let tries = 0; tries < 300; tries += 1) {
    const found = await look();
    if (found) return found;
    await new Promise((done) => setTimeout(done, 100));
  }
  return assert.fail("nothing came");
}

/** What the shop's server is told after `ask`. */
export async function toldAfter(ask) {
  const told = async () => (await fetch(new URL("/told", env.SLAS_PASSWORDLESS_CALLBACK))).json();
  const before = (await told()).length;
  await ask();
  return soon(async () => (await told()).at(before));
}

/** The digits in the mail that comes to `address` after `ask`. */
export async function mailedAfter(address, ask) {
  const names = async () => (await readdir(env.MAIL_FOLDER)).filter((name) => name.endsWith(".eml"));
  const before = new Set(await names());
  await ask();
  return soon(async () => {
    const mails = (await names()).filter((name) => !before.has(name));
    const texts = await Promise.all(mails.map((name) => readFile(join(env.MAIL_FOLDER, name), "utf8")));
    return texts.find((text) => text.includes(address))?.match(/^\d{8}\r?$/m)?.[0].trim();
  });
}
