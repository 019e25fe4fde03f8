// Fields of a work pane to and from one JSON payload; the page's templates say where each value lives.
//   data-field="a.b"   a value; the path counts from the nearest item around it
//   data-list="turns"  a list: its <template> is one item; data-add, data-remove, data-up, data-down change it

const clone = (value) => JSON.parse(JSON.stringify(value ?? null));

function read(object, path) {
  return path.split(".").reduce((value, part) => value?.[part], object);
}

function write(object, path, value) {
  const parts = path.split(".");
  const last = parts.pop();
  let place = object;
  for (const part of parts) place = place[part] ??= {};
  place[last] = value;
}

const ownerOf = (element, root) => element.parentElement.closest("[data-item]") ?? root;
const owned = (root, selector) => [...root.querySelectorAll(selector)].filter((element) => ownerOf(element, root) === root);

function valueOf(input, before) {
  if (input.type === "checkbox" && input.dataset.type === "list") {
    const others = (before ?? []).filter((value) => value !== input.value);
    return input.checked ? [...others, input.value] : others;
  }
  if (input.type === "checkbox") return input.checked;
  if (input.type === "radio") {
    if (!input.checked) return before ?? null;
    return input.dataset.type === "number" ? Number(input.value) : input.value;
  }
  if (input.dataset.type === "lines") return input.value.split("\n").map((line) => line.trim()).filter(Boolean);
  if (input.dataset.type === "number" || input.type === "number") return input.value === "" ? null : Number(input.value);
  return input.value;
}

function put(input, value) {
  if (input.type === "checkbox" && input.dataset.type === "list") input.checked = (value ?? []).includes(input.value);
  else if (input.type === "checkbox") input.checked = Boolean(value);
  else if (input.type === "radio") {
    input.checked = value !== null && value !== undefined && String(value) === input.value;
    input.chosen = input.checked;
  }
  else if (input.dataset.type === "lines") {
    const lines = (value ?? []).join("\n");
    if (document.activeElement !== input && input.value !== lines) input.value = lines;
  } else if (input.value !== String(value ?? "")) {
    const offers = input.matches("select") ? [...input.options].map((option) => option.value) : null;
    if (offers && value && !offers.includes(value)) input.add(new Option(value, value)); // nothing is lost for want of a choice
    input.value = value ?? "";
  }
}

function addItem(list, first = false) {
  const template = list.querySelector(":scope > template");
  const item = template.content.firstElementChild.cloneNode(true);
  item.setAttribute("data-item", "");
  if (first) template.after(item);
  else list.append(item);
  return item;
}

// The item before or after, past the lines that stand where items were removed.
function beside(item, direction) {
  let other = item[direction];
  while (other && !other.matches("[data-item]")) other = other[direction];
  return other;
}

const itemsOf = (list) => list.querySelectorAll(":scope > [data-item]");

// Radio buttons of one name exclude each other in the whole form: each item gets names of its own.
let serial = 0;
function nameRadios(root) {
  const names = new Map();
  for (const radio of owned(root, "input[type=radio][data-field]")) {
    const path = radio.dataset.field;
    if (!names.has(path)) names.set(path, `field-${(serial += 1)}`);
    radio.name = names.get(path);
  }
}

function fillPart(root, data) {
  nameRadios(root);
  for (const input of owned(root, "[data-field]")) put(input, read(data, input.dataset.field));
  for (const list of owned(root, "[data-list]")) {
    const rows = read(data, list.dataset.list) ?? [];
    while (itemsOf(list).length > rows.length) [...itemsOf(list)].pop().remove();
    while (itemsOf(list).length < rows.length) addItem(list);
    itemsOf(list).forEach((item, index) => {
      item.row = rows[index];
      fillPart(item, rows[index]);
    });
  }
}

function readPart(root, before) {
  const data = clone(before) ?? {};
  const seen = new Set();
  for (const input of owned(root, "[data-field]")) {
    const path = input.dataset.field;
    const known = input.dataset.type === "list" || seen.has(path) ? read(data, path) : null;
    write(data, path, valueOf(input, known));
    seen.add(path);
  }
  for (const list of owned(root, "[data-list]")) {
    write(data, list.dataset.list, [...itemsOf(list)].map((item) => readPart(item, item.row)));
  }
  return data;
}

export class Fields {
  constructor(root) {
    this.root = root;
    this.data = {};
    root.addEventListener("click", (event) => this.onClick(event));
    root.addEventListener("click", (event) => event.target.matches("input[type=radio][data-clearable]") && this.toggle(event.target));
  }

  fill(payload) {
    this.data = clone(payload) ?? {};
    for (const line of this.root.querySelectorAll("[data-removed]")) line.remove();
    fillPart(this.root, this.data);
    this.root.dispatchEvent(new CustomEvent("tilth:filled", { bubbles: true }));
  }

  payload() {
    return readPart(this.root, this.data);
  }

  onClick(event) {
    const button = event.target.closest("[data-add], [data-remove], [data-up], [data-down]");
    if (!button || !this.root.contains(button)) return;
    event.preventDefault();
    const item = button.closest("[data-item]");
    if (button.dataset.add) return this.add(button);
    if ("remove" in button.dataset) return this.remove(item);
    const up = "up" in button.dataset;
    const other = beside(item, up ? "previousElementSibling" : "nextElementSibling");
    if (other) other[up ? "before" : "after"](item);
    this.changed();
    (button.disabled ? this.place(item) : button)?.focus();
  }

  // What need not be answered can be taken back: choosing it again does.
  toggle(radio) {
    if (radio.chosen) {
      radio.checked = false;
      radio.dispatchEvent(new Event("input", { bubbles: true }));
    }
    for (const one of this.root.querySelectorAll(`[name="${radio.name}"]`)) one.chosen = one.checked;
  }

  add(button) {
    const scope = button.closest("[data-item]") ?? this.root;
    const list = owned(scope, "[data-list]").find((one) => one.dataset.list === button.dataset.add);
    const item = addItem(list, "first" in button.dataset);
    fillPart(item, button.dataset.value ? JSON.parse(button.dataset.value) : {});
    this.changed();
    this.place(item)?.focus();
  }

  // Where somebody goes on in an item: its text, not a menu in which typing would choose something else.
  place(item) {
    return item.querySelector("textarea:not([readonly]), input") ?? item.querySelector("select, button");
  }

  // What was written in a removed item is a click away, with the field's own history, until the page is left.
  remove(item) {
    const written = [...item.querySelectorAll("textarea, input")].some((field) => field.value.trim());
    if (!written) {
      const next = beside(item, "nextElementSibling") ?? beside(item, "previousElementSibling");
      item.remove();
      this.changed();
      if (next) this.place(next)?.focus();
      return;
    }
    const line = document.createElement("p");
    line.className = "row help";
    line.setAttribute("data-removed", "");
    const back = document.createElement("button");
    back.type = "button";
    back.className = "link-button";
    back.textContent = "Put it back";
    back.addEventListener("click", () => {
      line.replaceWith(item);
      this.changed();
      this.place(item)?.focus();
    });
    line.append("Removed.", back);
    item.replaceWith(line);
    this.changed();
    back.focus();
  }

  changed() {
    this.data = this.payload();
    fillPart(this.root, this.data);
    this.root.dispatchEvent(new Event("input", { bubbles: true }));
  }
}
