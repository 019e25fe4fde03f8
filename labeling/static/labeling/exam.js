// One question of an exam: the same pane as in the workspace; the answer is kept before another is shown.

import { Fields } from "./fields.js";
import { Keys } from "./keys.js";
import { previewer, watch } from "./preview.js";
import { Fault, send } from "./server.js";

const page = document.getElementById("exam");
const pane = document.getElementById("pane");
const fields = new Fields(pane);
const render = previewer(page.dataset.preview);
let sending = false;

async function keep(then) {
  if (sending) return;
  sending = true;
  try {
    await send(page.dataset.answer, { payload: fields.payload() });
    then();
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    const box = page.querySelector("[data-problem]");
    box.textContent = fault.message;
    box.hidden = false;
    sending = false;
  }
}

function onward() {
  if (page.dataset.next) location.assign(page.dataset.next);
  else document.getElementById("finish").submit();
}

watch(pane, render);
if (page.dataset.kind) {
  const api = { payload: () => fields.payload(), fill: (payload) => fields.fill(payload), changed: () => {}, preview: render, urls: {} };
  (await import(page.dataset.kind)).start(pane, api);
}
new Keys(pane, { submit: () => keep(onward), commands: {} });
fields.fill(JSON.parse(page.dataset.payload));
page.querySelector("[data-keep]").addEventListener("click", () => keep(onward));
for (const link of page.querySelectorAll("[data-go]"))
  link.addEventListener("click", (event) => {
    event.preventDefault();
    keep(() => location.assign(link.href));
  });
page.dataset.ready = "";
