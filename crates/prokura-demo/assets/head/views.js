// What the pages show. Each view answers its title and its elements; what a click does is in `app.js`.

import { day, h, money, picture } from "./dom.js";

const link = (path, ...inside) => h("a", { href: path }, inside);

function price(product) {
  const strong = h("strong", {}, money(product.price, product.currency));
  if (product.discountPercent === "0") return h("p", { class: "price" }, strong);
  const list = h("s", {}, h("span", { class: "sr" }, "list price "), money(product.listPrice, product.currency));
  return h("p", { class: "price" }, strong, " ", list, " ", h("span", { class: "tag" }, `−${product.discountPercent}% for your company`));
}

function stock(product) {
  const [kind, words] = product.discontinued ? ["none", "No longer sold"]
    : product.unitsInStock === 0 ? ["none", "Out of stock"]
    : product.unitsInStock < 10 ? ["few", `Only ${product.unitsInStock} left`]
    : ["", `${product.unitsInStock} in stock`];
  return h("p", { class: "stock" }, h("span", { class: `dot ${kind}` }), words);
}

function addForm(product, act) {
  if (product.discontinued || product.unitsInStock === 0) return null;
  const id = `quantity-${product.id}`;
  const input = h("input", { id, name: "quantity", type: "number", min: 1, max: 9999, value: 1, inputmode: "numeric", autocomplete: "off", required: true });
  return h("form", { class: "add", onsubmit: event => { event.preventDefault(); act.add(product, Number(input.value)); } },
    h("label", { class: "sr", for: id }, `Units of ${product.name}`), input,
    h("button", {}, "Add to basket", h("span", { class: "sr" }, `: ${product.name}`)));
}

function pager(number, size, total, address) {
  const last = Math.max(1, Math.ceil(total / size));
  if (last === 1) return null;
  return h("nav", { class: "pager", "aria-label": "Pages" },
    number > 1 && h("a", { class: "button quiet", rel: "prev", href: address(number - 1) }, "Previous"),
    h("span", {}, `Page ${number} of ${last}`),
    number < last && h("a", { class: "button quiet", rel: "next", href: address(number + 1) }, "Next"));
}

const empty = (title, ...text) => h("div", { class: "empty" }, h("h2", {}, title), text.map(words => h("p", {}, words)));

/** The address of a list of products. */
export function listAddress({ search = "", category = "", page = 1 }) {
  const query = new URLSearchParams();
  if (search) query.set("search", search);
  if (category) query.set("category", category);
  if (page > 1) query.set("page", page);
  return query.size ? `/shop/?${query}` : "/shop/";
}

export function products(wanted, { products, total }, categories, act) {
  const search = h("input", { id: "search", type: "search", name: "search", value: wanted.search, placeholder: "Search by name", autocomplete: "off" });
  const chip = (name, count, category) =>
    h("a", { href: listAddress({ search: wanted.search, category }), "aria-current": wanted.category === category && "true" }, `${name} `, h("span", {}, count));
  const all = categories.reduce((sum, category) => sum + category.products, 0);
  const card = product => h("li", { class: "card" }, picture(product), h("div", { class: "body" },
    h("p", { class: "category" }, product.category),
    h("h2", {}, link(`/shop/products/${encodeURIComponent(product.id)}`, product.name)),
    h("p", { class: "unit" }, product.quantityPerUnit), price(product), stock(product), addForm(product, act)));
  return ["Products",
    h("div", { class: "heading" }, h("h1", { tabindex: -1 }, "Products"),
      h("form", { class: "search", role: "search", onsubmit: event => { event.preventDefault(); act.go(listAddress({ ...wanted, search: search.value.trim(), page: 1 })); } },
        h("label", { class: "sr", for: "search" }, "Search by name"), search, h("button", { class: "quiet" }, "Search"))),
    h("nav", { class: "categories", "aria-label": "Categories" }, chip("All", all, ""), categories.map(category => chip(category.name, category.products, category.name))),
    products.length === 0
      ? empty("Nothing found", "No product of this assortment matches.", link("/shop/", "Show all products"))
      : h("ul", { class: "cards" }, products.map(card)),
    pager(wanted.page, 24, total, page => listAddress({ ...wanted, page }))];
}

export function product(product, act) {
  return [product.name,
    h("p", { class: "back" }, link(listAddress({ category: product.category }), product.category)),
    h("article", { class: "detail" }, picture(product), h("div", { class: "body" },
      h("h1", { tabindex: -1 }, product.name), h("p", { class: "unit" }, product.quantityPerUnit),
      price(product), stock(product), addForm(product, act),
      h("dl", {}, h("dt", {}, "Article number"), h("dd", {}, product.id),
        h("dt", {}, "Price"), h("dd", {}, product.discountPercent === "0" ? "List price, per unit, without tax" : "Contract price of your company, per unit, without tax"))))];
}

export function basket(basket, shopper, act) {
  const title = h("h1", { tabindex: -1 }, "Basket");
  if (!basket || basket.items.length === 0) {
    return ["Basket", title, empty("Nothing here yet", "Your basket is empty.", h("a", { class: "button", href: "/shop/" }, "See the products"))];
  }
  const line = item => {
    const id = `quantity-${item.id}`;
    const input = h("input", { id, name: "quantity", type: "number", min: 1, max: 9999, value: item.quantity, inputmode: "numeric", autocomplete: "off", required: true });
    const name = item.product?.name ?? item.productId;
    return h("li", {},
      h("div", { class: "what" }, h("h2", {}, item.product ? link(`/shop/products/${encodeURIComponent(item.productId)}`, name) : name),
        item.product
          ? h("p", { class: "unit" }, `${item.product.quantityPerUnit} · ${money(item.product.price, item.product.currency)}`)
          : h("p", { class: "trouble" }, "Not in your assortment. Please remove it to order the rest.")),
      h("form", { class: "amount", onsubmit: event => { event.preventDefault(); act.setQuantity(basket, item, Number(input.value)); } },
        h("label", { for: id }, "Units"), input,
        h("button", { class: "quiet small" }, "Update", h("span", { class: "sr" }, ` ${name}`)),
        h("button", { class: "plain small", type: "button", onclick: () => act.remove(basket, item) }, "Remove", h("span", { class: "sr" }, ` ${name}`))),
      h("p", { class: "sum" }, item.total ? money(item.total, basket.currency) : ""));
  };
  const isOrderable = basket.items.every(item => item.product && !item.product.discontinued && item.product.unitsInStock > 0);
  const reference = h("input", { id: "reference", name: "reference", maxlength: 60, autocomplete: "off" });
  const end = shopper.kind !== "registered"
    ? h("a", { class: "button", href: "/shop/login?return_to=/shop/basket" }, "Log in to order")
    : isOrderable && h("form", { onsubmit: event => { event.preventDefault(); act.order(basket, reference.value.trim()); } },
        h("label", { for: "reference" }, "Your reference ", h("span", { class: "unit" }, "optional")), reference,
        h("button", {}, `Place order for ${money(basket.total, basket.currency)}`));
  return ["Basket", title,
    h("div", { class: "columns" }, h("ul", { class: "lines" }, basket.items.map(line)),
      h("aside", { class: "summary", "aria-label": "Total" }, h("h2", {}, "Total"), h("p", { class: "total" }, money(basket.total, basket.currency)), h("p", { class: "unit" }, "without tax"), end))];
}

export function orders(number, { orders, total }, shopper) {
  const title = h("h1", { tabindex: -1 }, "Orders");
  if (orders.length === 0) return ["Orders", title, empty("No orders yet", "Nothing was ordered for whom you act right now.")];
  const by = ({ placedBy: { email } }) => (!email ? "" : email === shopper.email ? "by you" : `by ${email}`);
  const row = order => h("li", {},
    h("h2", {}, link(`/shop/orders/${encodeURIComponent(order.id)}`, `Order ${order.id}`)),
    h("p", { class: "when" }, day(order.placedAt)),
    h("p", { class: "who" }, by(order), order.reference ? ` ${by(order) ? "· " : ""}${order.reference}` : ""),
    h("p", { class: "unit" }, `${order.lineCount} ${order.lineCount === 1 ? "product" : "products"}`),
    h("p", { class: "sum" }, money(order.total, order.currency)));
  return ["Orders", title, h("p", { class: "lead" }, `${total} ${total === 1 ? "order" : "orders"}`),
    h("ul", { class: "orders" }, orders.map(row)), pager(number, 20, total, page => `/shop/orders?page=${page}`)];
}

export function placed(order) {
  const row = line => h("tr", {},
    h("th", { scope: "row" }, line.name ?? line.productId, h("span", { class: "unit" }, line.productId), h("span", { class: "unit tight" }, `${line.quantity} × ${money(line.unitPrice, order.currency)}`)),
    h("td", { class: "number roomy" }, line.quantity), h("td", { class: "number roomy" }, money(line.unitPrice, order.currency)),
    h("td", { class: "number" }, money(line.total, order.currency)));
  const column = (name, kind = "number roomy") => h("th", { scope: "col", class: kind }, name);
  return [`Order ${order.id}`, h("p", { class: "back" }, link("/shop/orders", "Orders")),
    h("h1", { tabindex: -1 }, `Order ${order.id}`), h("p", { class: "lead" }, day(order.placedAt)),
    order.reference && h("p", {}, "Reference: ", h("strong", {}, order.reference)),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "What was ordered" }, h("table", {}, h("caption", { class: "sr" }, "What was ordered"),
      h("thead", {}, h("tr", {}, column("Product", ""), column("Units"), column("Price"), column("Sum", "number"))),
      h("tbody", {}, order.lines.map(row)),
      h("tfoot", {}, h("tr", {}, h("th", { scope: "row" }, "Total without tax"), h("td", { class: "roomy" }), h("td", { class: "roomy" }), h("td", { class: "number" }, money(order.total, order.currency))))))];
}

export function login(samples, act) {
  const email = h("input", { id: "email", name: "email", type: "email", autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true });
  const password = h("input", { id: "password", name: "password", type: "password", autocomplete: "current-password", required: true });
  const remember = h("input", { id: "remember", name: "remember", type: "checkbox" });
  const sample = login => h("li", {}, h("button", { class: "quiet", type: "button", onclick: () => act.logIn(login.email, login.password, false) },
    h("strong", {}, login.email), h("span", {}, login.about)));
  return ["Log in", h("div", { class: "narrow" }, h("h1", { tabindex: -1 }, "Log in"),
    h("form", { class: "panel", onsubmit: event => { event.preventDefault(); act.logIn(email.value, password.value, remember.checked); } },
      h("label", { for: "email" }, "E-mail address"), email, h("label", { for: "password" }, "Password"), password,
      h("label", { class: "check" }, remember, " Stay logged in on this device"), h("button", {}, "Log in")),
    samples.length > 0 && h("section", { class: "samples", "aria-labelledby": "samples" }, h("h2", { id: "samples" }, "To try it out"), h("ul", {}, samples.map(sample))))];
}

export function company(shopper, act) {
  const choices = [...shopper.companies, { id: "", name: "Private person" }];
  const current = shopper.legalEntityId ?? "";
  const choice = company => h("li", {}, h("button", { class: `choice tone-${company.tone ?? 0}`, "aria-current": company.id === current && "true", onclick: () => act.choose(company.id) },
    h("span", { class: "mark", "aria-hidden": "true" }), h("strong", {}, company.name),
    h("span", {}, company.id === current ? "as now" : company.id ? "act for this company" : "for yourself")));
  return ["For whom do you act?", h("div", { class: "narrow" }, h("h1", { tabindex: -1 }, "For whom do you act?"),
    h("p", { class: "lead" }, "Products, prices, baskets and orders follow your choice. You can switch at any time, at the top of every page."),
    h("ul", { class: "choices" }, choices.map(choice)))];
}

export function nothing() {
  return ["Not found", h("div", { class: "empty" }, h("h1", { tabindex: -1 }, "Not found"),
    h("p", {}, "There is nothing here, or nothing that you may see for whom you act right now."),
    h("p", {}, h("a", { class: "button", href: "/shop/" }, "See the products")))];
}

export function trouble(words) {
  return ["One moment, please", h("div", { class: "empty" }, h("h1", { tabindex: -1 }, "One moment, please"), h("p", {}, words),
    h("p", {}, h("button", { type: "button", onclick: () => location.reload() }, "Try again")))];
}
