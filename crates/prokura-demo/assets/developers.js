// Follows what this browser holds, and draws it: tables first, and a picture of how the two halves agree.

import { h, svg } from "./dom.js";

const byId = id => document.getElementById(id);
/** How often the state is asked for while somebody looks, in milliseconds. */
const PACE = 1000;
const events = [];
let newest = 0;
let shown = "";

function table(caption, columns, rows, none) {
  if (rows.length === 0) return h("p", { class: "lead" }, none);
  return h("table", {}, h("caption", { class: "sr" }, caption),
    h("thead", {}, h("tr", {}, columns.map(name => h("th", { scope: "col" }, name)))),
    h("tbody", {}, rows.map(([first, ...rest]) => h("tr", {}, h("th", { scope: "row" }, first), rest.map(cell => h("td", { class: "value" }, cell))))));
}

const clock = milliseconds => new Intl.DateTimeFormat("en", { timeStyle: "medium", hour12: false }).format(new Date(milliseconds));
const missing = "–";

function left(end, now) {
  if (!end) return missing;
  const seconds = end - now;
  if (seconds <= 0) return "over";
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  if (hours >= 48) return `${Math.floor(hours / 24)} days`;
  return hours > 0 ? `${hours} h ${minutes} min` : minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

/** What a token says about its shopper, in the words that the session uses. */
function ofToken(token) {
  const claims = token?.claims;
  if (!claims) return null;
  const parts = String(claims.isb ?? "").split("::");
  const part = name => parts.find(part => part.startsWith(name))?.slice(name.length);
  const isGuest = part("upn:") === "Guest" || claims.sub === "guest" || (!part("upn:") && String(claims.sub ?? "").startsWith("guest"));
  return {
    kind: isGuest ? "guest" : "registered",
    customerId: (isGuest ? part("gcid:") : part("rcid:")) ?? claims.sub,
    usid: String(claims.sub ?? "").split("::").find(part => part.startsWith("usid:"))?.slice(5),
    login: isGuest ? null : part("upn:"),
    legalEntityId: claims.legal_entity_id ?? null,
    session: claims.sid, family: claims.fam, expiresAt: claims.exp,
  };
}

function agreement(state) {
  const [head, classic] = [ofToken(state.accessToken), state.session?.isAlive ? state.session : null];
  const rows = [["Shopper", "kind"], ["Customer id", "customerId"], ["Visitor (usid)", "usid"], ["Login", "login"], ["Acts for", "legalEntityId"]]
    .map(([name, key]) => {
      const [one, other] = [head?.[key] ?? missing, classic?.[key] ?? missing];
      const verdict = !head || !classic ? "only one half is there" : one === other ? "the same" : "different";
      return [name, one, other, h("span", { class: verdict === "different" ? "trouble" : "" }, verdict)];
    });
  rows.push(["Session and family", [head?.session && `session ${head.session}`, head?.family && ` family ${head.family}`].filter(Boolean).join(",") || missing, state.session ? `#${state.session.digest}` : missing, ""]);
  rows.push(["Ends in", left(head?.expiresAt, state.now), classic ? `${left(classic.idleUntil, state.now)} without a request, ${left(classic.expiresAt, state.now)} in any case` : state.session ? "over" : missing, ""]);
  byId("agreement").replaceChildren(table("What the token of the headless half and the session of the classic half say", ["What", "Token (headless)", "Session (classic)", "Both"], rows, ""));
  draw(head, classic);
}

const shortened = text => (text.length > 30 ? `${text.slice(0, 29)}…` : text);

/** Two boxes and what is between them; the table beside says the same. */
function draw(head, classic) {
  const box = (x, title, who) => [
    svg("rect", { x, y: 10, width: 270, height: 80, rx: 12, class: who ? `box ${who.kind}` : "box gone" }),
    svg("text", { x: x + 135, y: 40, "text-anchor": "middle", class: "title" }, title),
    svg("text", { x: x + 135, y: 66, "text-anchor": "middle" }, who ? shortened(who.login ?? who.kind) : "nothing")];
  const agree = head && classic && head.customerId === classic.customerId && head.kind === classic.kind;
  const line = svg("line", { x1: 280, y1: 50, x2: 430, y2: 50, class: agree ? "agree" : "differ" });
  const words = svg("text", { x: 355, y: 38, "text-anchor": "middle" }, agree ? "one shopper" : head && classic ? "differ" : "");
  byId("drawing").replaceChildren(svg("svg", { viewBox: "0 0 710 100", class: "halves" }, line, words, box(10, "Headless: token", head), box(430, "Classic: session", classic)));
}

function change({ name, before, after }) {
  const what = !before ? `set #${after}` : !after ? "removed" : `#${before} → #${after}`;
  return h("li", {}, h("code", {}, name), ` ${what}`);
}

function eventRow(event) {
  const calls = event.calls.map(made => h("li", {}, h("code", {}, made.call), ` ${made.status ?? "no answer"}, ${made.milliseconds} ms`));
  return [`${event.number}. ${event.side}`, clock(event.at), [h("code", {}, event.request), ` ${event.status}, ${event.milliseconds} ms`],
    event.remarks.length ? event.remarks.join("; ") : missing,
    calls.length ? h("ul", {}, calls) : missing,
    event.cookies.length ? h("ul", {}, event.cookies.map(change)) : "nothing"];
}

function render(state) {
  agreement(state);
  const told = byId("all").checked ? events : events.filter(event => event.cookies.length > 0 || event.remarks.length > 0);
  byId("events").replaceChildren(table("Requests of this browser, the newest first", ["Request", "At", "What", "Amounts to", "Calls made", "Cookies changed"], told.map(eventRow), "Nothing has changed anything yet. Open one of the storefronts."));
  byId("cookies").replaceChildren(table("Cookies of this browser", ["Name", "Meaning", "Value", "Scripts"],
    state.cookies.map(cookie => [h("code", {}, cookie.name), cookie.meaning, `${cookie.value}, ${cookie.chars} characters`, cookie.isReadByScripts ? "may read it" : "cannot read it"]), "None."));
  const claims = { ...state.accessToken?.header, ...state.accessToken?.claims };
  const text = value => (typeof value === "object" ? JSON.stringify(value) : String(value));
  const moment = (name, value) => (["exp", "iat", "nbf"].includes(name) ? `${value} (${new Date(value * 1000).toISOString()})` : text(value));
  byId("claims").replaceChildren(table("Header and claims of the access token", ["Claim", "Value"], Object.entries(claims).map(([name, value]) => [h("code", {}, name), moment(name, value)]), "There is no access token, or it cannot be read."));
}

async function look() {
  try {
    const answer = await fetch(`/developers/state?since=${newest}`, { cache: "no-store" });
    if (!answer.ok) throw new Error(`${answer.status}`);
    const state = await answer.json();
    for (const event of state.events) {
      newest = Math.max(newest, event.number);
      events.unshift(event);
    }
    events.length = Math.min(events.length, 60);
    // Seconds that pass are no news: a table is drawn anew only when something in it changed, or it would be read out again.
    const { now, events: added, ...rest } = state;
    const minute = Math.floor(now / 60);
    const present = JSON.stringify([rest, minute, newest, byId("all").checked]);
    if (present !== shown) {
      shown = present;
      render(state);
    }
    if (added.length > 0) {
      const changes = added.reduce((sum, event) => sum + event.cookies.length, 0);
      const last = added.at(-1);
      byId("live").textContent = `${added.length === 1 ? "A request" : `${added.length} requests`}, ${changes} cookies changed. Last: ${last.side}, ${last.request}. ${last.remarks.join("; ")}`;
    }
  } catch {
    byId("live").textContent = "The state cannot be asked for at the moment.";
  }
}

async function follow() {
  for (;;) {
    if (document.visibilityState === "visible") await look();
    await new Promise(next => {
      const timer = setTimeout(next, PACE);
      document.addEventListener("visibilitychange", () => { clearTimeout(timer); next(); }, { once: true });
    });
  }
}

byId("all").addEventListener("change", look);
follow();
