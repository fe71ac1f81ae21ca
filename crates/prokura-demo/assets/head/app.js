// The storefront: which page the address means, what a click does, and who it is drawn for.

import * as api from "./api.js";
import { h, svg, tone } from "./dom.js";
import * as views from "./views.js";

const byId = id => document.getElementById(id);
const shopName = document.body.dataset.shopName;
const channel = "BroadcastChannel" in window ? new BroadcastChannel("head") : null;
let shopper = null;
let turn = 0;

/** A path of this storefront, or its home. */
const own = path => (/^\/shop\/[^\\]*$/.test(path ?? "") ? path : "/shop/");

function say(words, isWarning = false) {
  byId("notice").replaceChildren(words ? h("p", { class: `notice${isWarning ? " warning" : ""}` }, words) : "");
}

function show([title, ...elements]) {
  document.title = `${title} · ${shopName}`;
  byId("view").replaceChildren(...elements.flat(3).filter(Boolean));
}

function whom() {
  const company = shopper.companies.find(company => company.id === shopper.legalEntityId);
  if (shopper.kind !== "registered") return ["", "Guest", 0];
  if (!shopper.legalEntityId) return ["Shopping as ", "a private person", 0];
  return ["Acting for ", company?.name ?? shopper.legalEntityId, tone(shopper.legalEntityId)];
}

function words() {
  const [verb, name] = whom();
  return verb ? verb.toLowerCase() + name : "a guest";
}

function frame(section) {
  const [verb, name, color] = whom();
  byId("acting").className = `acting tone-${color}`;
  const mark = color > 0
    ? svg("path", { d: "M4 21V4.5L13 3v18M13 8.5h7V21M2 21h20M7.5 8h2m-2 4h2m-2 4h2m6-4h2m-2 4h2" })
    : [svg("circle", { cx: 12, cy: 8, r: 4 }), svg("path", { d: "M4 21c.6-4.400 3.900-6.500 8-6.500s7.400 2.100 8 6.500" })];
  byId("acting-for").replaceChildren(svg("svg", { viewBox: "0 0 24 24", width: 22, height: 22, "aria-hidden": "true" }, mark), h("span", {}, verb, h("strong", {}, name)));
  for (const entry of document.querySelectorAll("[data-section]")) {
    if (entry.dataset.section === section) entry.setAttribute("aria-current", "page");
    else entry.removeAttribute("aria-current");
  }
  const account = shopper.kind === "registered"
    ? [h("span", { class: "person" }, shopper.name || shopper.email), h("button", { class: "plain", type: "button", onclick: () => act.logOut() }, "Log out")]
    : [h("a", { class: "button small", href: "/shop/login" }, "Log in")];
  byId("account").replaceChildren(...account);
  const select = h("select", { id: "company", name: "company", autocomplete: "off" },
    [...shopper.companies, { id: "", name: "Private person" }].map(company =>
      h("option", { value: company.id, selected: company.id === (shopper.legalEntityId ?? "") }, company.name)));
  byId("switch").replaceChildren(...(shopper.companies.length > 0
    ? [h("form", { class: "switch", onsubmit: event => { event.preventDefault(); act.choose(select.value); } },
        h("label", { for: "company" }, "Switch to"), select, h("button", { class: "small" }, "Switch"))]
    : shopper.kind === "registered" ? [] : [h("p", { class: "aside" }, "Log in to see your company’s products and prices.")]));
}

async function count() {
  try {
    const basket = await api.basket();
    const items = basket?.items.length ?? 0;
    byId("count").hidden = items === 0;
    byId("count").replaceChildren(String(items), h("span", { class: "sr" }, " products"));
    return basket;
  } catch {
    byId("count").hidden = true;
    return null;
  }
}

/** The page that an address means: its section and its view. */
async function view(url) {
  const path = url.pathname.replace(/^\/shop/, "") || "/";
  const parameter = name => url.searchParams.get(name) ?? "";
  const number = Math.max(1, Number.parseInt(parameter("page"), 10) || 1);
  const [, first, second] = path.split("/").map(part => { try { return decodeURIComponent(part); } catch { return part; } });
  if (path === "/") {
    const wanted = { search: parameter("search").trim(), category: parameter("category"), page: number };
    const [listed, categories] = await Promise.all([api.products(wanted), api.categories()]);
    return ["products", views.products(wanted, listed, categories, act)];
  }
  if (first === "products" && second) return ["products", views.product(await api.product(second), act)];
  if (first === "basket" && !second) return ["basket", views.basket(await api.basket(), shopper, act)];
  if (first === "login" && shopper.kind !== "registered") return ["", views.login(shopper.sampleLogins, act)];
  if (first === "login") return act.replace(own(parameter("return_to")));
  if (first === "orders" || first === "company") {
    if (shopper.kind !== "registered") return act.replace(`/shop/login?${new URLSearchParams({ return_to: url.pathname })}`);
    if (first === "company") return ["", views.company({ ...shopper, companies: shopper.companies.map(company => ({ ...company, tone: tone(company.id) })) }, act)];
    return ["orders", second ? views.placed(await api.placed(second)) : views.orders(number, await api.orders(number), shopper)];
  }
  return ["", views.nothing()];
}

/** Draws the page of the present address. Only the newest of several drawings is shown. */
async function draw({ anew = false, focus = false } = {}) {
  const mine = ++turn;
  document.body.setAttribute("aria-busy", "true");
  try {
    if (anew || !shopper) shopper = await api.state();
    const drawn = await view(new URL(location.href));
    if (mine !== turn || !drawn) return;
    const [section, elements] = drawn;
    frame(section);
    show(elements);
    await count();
  } catch (error) {
    if (mine !== turn) return;
    if (shopper) frame("");
    show(error instanceof api.Refusal && error.status === 404 ? views.nothing() : views.trouble(error.message));
  } finally {
    if (mine === turn) {
      document.body.removeAttribute("aria-busy");
      if (focus) document.querySelector("#view h1")?.focus();
    }
  }
}

/** Does something, and says in words when it did not work. */
async function attempt(action, done) {
  say("");
  try {
    const result = await action();
    await done?.(result);
  } catch (error) {
    if (!(error instanceof api.Refusal)) throw error;
    if (["acting_for", "elsewhere", "login_ended"].includes(error.kind)) await draw({ anew: true });
    say(error.message, true);
  }
}

/** Somebody else is here now; other tabs are told. */
async function become(path, said) {
  history.pushState(null, "", path);
  await draw({ anew: true, focus: true });
  say(said());
  channel?.postMessage(api.page.shopper);
}

const act = {
  go(path) { history.pushState(null, "", path); say(""); return draw({ focus: true }); },
  replace(path) { history.replaceState(null, "", path); return view(new URL(location.href)); },
  add: (product, quantity) => attempt(() => api.add(product.id, quantity), async () => { say(`Added ${quantity} × ${product.name}.`); await count(); }),
  setQuantity: (basket, item, quantity) => attempt(() => api.setQuantity(basket.id, item.id, quantity), () => draw()),
  remove: (basket, item) => attempt(() => api.remove(basket.id, item.id), () => draw({ focus: true })),
  order: (basket, reference) => attempt(() => api.order(basket.id, reference), async order => {
    await act.go(`/shop/orders/${encodeURIComponent(order.id)}`);
    say(`Thank you. Order ${order.id} was placed while ${words()}.`);
  }),
  logIn: (login, password, remember) => attempt(() => api.logIn(login, password, remember), ({ mustChoose }) => {
    const back = own(new URLSearchParams(location.search).get("return_to"));
    return become(mustChoose ? "/shop/company" : back, () => mustChoose ? "" : `Welcome. You are ${words()}.`);
  }),
  logOut: () => attempt(() => api.logOut(), () => become("/shop/", () => "You are logged out.")),
  choose: id => attempt(() => api.choose(id), () => {
    const isChooser = location.pathname === "/shop/company" || location.pathname.startsWith("/shop/orders/");
    return become(isChooser ? "/shop/" : location.pathname + location.search, () => `You are now ${words()}.`);
  }),
};

document.addEventListener("click", event => {
  const anchor = event.target.closest("a");
  if (!anchor || anchor.origin !== location.origin || !anchor.pathname.startsWith("/shop/")) return;
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (anchor.hash && anchor.pathname === location.pathname) return;
  event.preventDefault();
  act.go(anchor.pathname + anchor.search);
});
window.addEventListener("popstate", () => draw({ focus: true }));
// A page that comes back out of the browser's memory may be for somebody who has logged out since.
window.addEventListener("pageshow", event => { if (event.persisted) draw({ anew: true }); });

let becoming = null;
/** Draws the page for whoever is here now, once for all who noticed. */
function somebodyElse(where) {
  becoming ??= draw({ anew: true })
    .then(() => say(`You are ${words()} now: ${where} changed it.`, true))
    .finally(() => { becoming = null; });
}
api.whenSomebodyElse(() => somebodyElse("another tab or the classic pages have"));
channel?.addEventListener("message", event => {
  if (event.data !== api.page.shopper) somebodyElse("another tab has");
});
document.addEventListener("visibilitychange", () => {
  // Whoever comes back to this tab may have been on the classic pages.
  if (document.visibilityState === "visible" && shopper) count();
});
draw();
