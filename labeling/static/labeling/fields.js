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
  else if (input.type === "radio") input.checked = value !== null && value !== undefined && String(value) === input.value;
  else if (input.dataset.type === "lines") {
    const lines = (value ?? []).join("\n");
    if (document.activeElement !== input && input.value !== lines) input.value = lines;
  } else if (input.value !== String(value ?? "")) input.value = value ?? "";
}

function addItem(list) {
  const item = list.querySelector(":scope > template").content.firstElementChild.cloneNode(true);
  item.setAttribute("data-item", "");
  list.append(item);
  return item;
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
      item.dataset.index = String(index);
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
    const rows = read(data, list.dataset.list) ?? [];
    write(data, list.dataset.list, [...itemsOf(list)].map((item) => readPart(item, rows[Number(item.dataset.index)] ?? {})));
  }
  return data;
}

export class Fields {
  constructor(root) {
    this.root = root;
    this.data = {};
    root.addEventListener("click", (event) => this.onClick(event));
  }

  fill(payload) {
    this.data = clone(payload) ?? {};
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
    if (button.dataset.add) this.add(button);
    else if ("remove" in button.dataset) this.remove(item);
    else if ("up" in button.dataset) item.previousElementSibling?.matches("[data-item]") && item.previousElementSibling.before(item);
    else item.nextElementSibling?.after(item);
    this.changed();
    if ("up" in button.dataset || "down" in button.dataset) button.focus();
  }

  add(button) {
    const scope = button.closest("[data-item]") ?? this.root;
    const list = owned(scope, "[data-list]").find((one) => one.dataset.list === button.dataset.add);
    const item = addItem(list);
    fillPart(item, button.dataset.value ? JSON.parse(button.dataset.value) : {});
    item.querySelector("input, textarea, select")?.focus();
  }

  remove(item) {
    const next = item.nextElementSibling ?? item.previousElementSibling;
    const list = item.parentElement;
    item.remove();
    (next?.querySelector?.("input, textarea, select, button") ?? list).focus?.();
  }

  changed() {
    this.data = this.payload();
    fillPart(this.root, this.data);
    this.root.dispatchEvent(new Event("input", { bubbles: true }));
  }
}
