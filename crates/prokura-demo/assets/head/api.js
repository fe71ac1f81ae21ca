// Calls to the storefront's own server, which holds the tokens. A script never sees one.

/** An answer that is not what was asked for, with words for people. */
export class Refusal extends Error {
  constructor(status, body) {
    super(body?.detail || "That did not work. Please try again.");
    this.status = status;
    this.kind = body?.kind ?? "";
  }
}

/** For whom this page is drawn, and who the last answer was for. */
export const page = { actingFor: "", shopper: "" };

let onOtherShopper = () => {};

/** Is told when an answer is for somebody else than the page is drawn for. */
export function whenSomebodyElse(listener) {
  onOtherShopper = listener;
}

async function call(method, path, body, isRepeated = false) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") Object.assign(headers, { "Content-Type": "application/json", "X-Head": "1", "X-Acting-For": page.actingFor });
  const answer = await fetch(`/shop/bff/${path}`, {
    method, headers, credentials: "same-origin", cache: "no-store",
    body: method === "GET" ? undefined : JSON.stringify(body ?? {}),
  });
  const text = await answer.text();
  let content = null;
  try { content = text ? JSON.parse(text) : null; } catch { /* an error page of something in between */ }
  // Another tab has other cookies set by now: what only looks is asked again with them.
  if (answer.status === 409 && content?.kind === "elsewhere" && method === "GET" && !isRepeated) return call(method, path, body, true);
  const shopper = answer.headers.get("x-shopper");
  if (shopper && page.shopper && shopper !== page.shopper) onOtherShopper();
  if (!answer.ok) throw new Refusal(answer.status, content);
  return { content, total: Number(answer.headers.get("x-total-count") ?? 0), shopper };
}

/** Who is here. The page is drawn for them from now on. */
export async function state() {
  page.shopper = "";
  const { content, shopper } = await call("GET", "state");
  page.actingFor = content.actingFor;
  page.shopper = shopper;
  return content;
}

/** Something that changes who is here. The page is drawn anew afterwards, so nobody else can be noticed meanwhile. */
async function change(path, body) {
  page.shopper = "";
  return (await call("POST", path, body)).content;
}

export const logIn = (login, password, remember) => change("login", { login, password, remember });
export const logOut = () => change("logout");
export const choose = legalEntityId => change("company", { legalEntityId });

const shop = path => `api/${path}`;
const part = encodeURIComponent;

export async function products({ search = "", category = "", page: number = 1 }) {
  const query = new URLSearchParams({ search, category, pageNumber: number, pageSize: 24 });
  const { content, total } = await call("GET", shop(`products?${query}`));
  return { products: content, total };
}
export const product = async id => (await call("GET", shop(`products/${part(id)}`))).content;
export const categories = async () => (await call("GET", shop("categories"))).content;
export const basket = async () => (await call("GET", shop("baskets"))).content[0] ?? null;
export const add = async (productId, quantity) => (await call("POST", shop("baskets/items"), { productId, quantity })).content;
const item = (basket, item) => shop(`baskets/${part(basket)}/items/${part(item)}`);
export const setQuantity = async (basket, id, quantity) => (await call("PATCH", item(basket, id), { quantity })).content;
export const remove = async (basket, id) => (await call("DELETE", item(basket, id))).content;
export const order = async (basketId, reference) => (await call("POST", shop("orders"), { basketId, reference })).content;
export async function orders(number = 1) {
  const { content, total } = await call("GET", shop(`orders?pageNumber=${number}&pageSize=20`));
  return { orders: content, total };
}
export const placed = async id => (await call("GET", shop(`orders/${part(id)}`))).content;
