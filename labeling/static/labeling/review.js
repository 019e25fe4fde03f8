// Reviewing one submission: passages are commented on where they stand, and one key decides.

import { Fields } from "./fields.js";
import { Keys } from "./keys.js";
import { previewer, watch } from "./preview.js";
import { start as startReading } from "./reading.js";
import { Fault, send } from "./server.js";

const page = document.getElementById("review");
const data = JSON.parse(page.dataset.review);
const answer = document.getElementById("answer");
const editor = document.getElementById("pane");
const verdict = document.getElementById("verdict");
const problems = page.querySelector("[data-problems]");
const opened = performance.now();
const comments = [];
let fields = null;
let picked = null;
let sending = false;

// ---- passages

function passage() {
  const selection = getSelection();
  if (!selection.rangeCount || selection.isCollapsed) return null;
  const range = selection.getRangeAt(0);
  const from = range.startContainer;
  const box = (from instanceof Element ? from : from.parentElement)?.closest("[data-passage]");
  if (!box || !box.contains(range.endContainer) || !answer.contains(box)) return null;
  const before = document.createRange();
  before.setStart(box, 0);
  before.setEnd(range.startContainer, range.startOffset);
  const quote = String(selection).trim();
  const start = String(before).length;
  return quote ? { path: box.dataset.passage, start, end: start + quote.length, quote: quote.slice(0, 500) } : null;
}

document.addEventListener("selectionchange", () => {
  const found = passage();
  if (found) picked = found;
  document.getElementById("passage").hidden = !found && !document.activeElement?.matches("[data-comment]");
});

function dialog(name) {
  const box = document.getElementById(`dialog-${name}`);
  box.returnValue = "";
  box.showModal();
  return new Promise((resolve) => box.addEventListener("close", () => resolve(box.returnValue === "go"), { once: true }));
}

page.querySelector("[data-comment]").addEventListener("click", async () => {
  if (!picked) return;
  const text = document.getElementById("comment-text");
  const clause = document.getElementById("comment-clause");
  document.querySelector("#dialog-comment [data-quote]").textContent = picked.quote;
  text.value = "";
  const here = picked;
  if (!(await dialog("comment")) || !text.value.trim()) return;
  comments.push({ ...here, text: text.value.trim(), clause: clause?.value ?? "" });
  list();
});

function list() {
  const lines = comments.map((comment, index) => {
    const line = document.createElement("li");
    const words = document.createElement("span");
    const quote = document.createElement("q");
    const remove = document.createElement("button");
    quote.textContent = comment.quote;
    words.append(quote, ` ${comment.text}`);
    remove.type = "button";
    remove.className = "button small ghost";
    remove.textContent = "Remove";
    remove.addEventListener("click", () => {
      comments.splice(index, 1);
      list();
    });
    line.append(words, remove);
    return line;
  });
  document.getElementById("comments").replaceChildren(...lines);
  page.querySelector("[data-no-comments]").hidden = comments.length > 0;
}

// ---- editing

async function edit() {
  if (fields) return;
  fields = new Fields(editor);
  const render = previewer(data.urls.preview);
  watch(editor, render);
  const api = { payload: () => fields.payload(), fill: (payload) => fields.fill(payload), changed: () => {}, preview: render, urls: data.urls };
  if (page.dataset.kind) (await import(page.dataset.kind)).start(editor, api);
  editor.hidden = false;
  fields.fill(data.payload);
  verdict.querySelector('[data-decision="edit"]').hidden = false;
  verdict.querySelector("[data-edit]").hidden = true;
  (editor.querySelector("textarea:not([readonly])") ?? editor.querySelector("input"))?.focus();
}

// ---- the decision

function scores() {
  return Object.fromEntries([...verdict.querySelectorAll("[data-score]:checked")].map((radio) => [radio.dataset.score, Number(radio.value)]));
}

function complain(texts) {
  problems.querySelector("ul").replaceChildren(
    ...texts.map((text) => {
      const line = document.createElement("li");
      line.textContent = text;
      return line;
    }),
  );
  problems.hidden = false;
  problems.focus();
}

async function decide(decision) {
  if (sending) return;
  if (decision === "reject" && !(await dialog("reject"))) return;
  sending = true;
  const body = { decision, comments, scores: scores(), note: document.getElementById("note").value, seconds: (performance.now() - opened) / 1000 };
  if (decision === "edit") body.payload = fields.payload();
  try {
    const answered = await send(page.dataset.decide, body);
    location.assign(answered.next);
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    complain(fault.body.problems?.map((problem) => problem.message) ?? [fault.message]);
    sending = false;
  }
}

for (const button of verdict?.querySelectorAll("[data-decision]") ?? []) button.addEventListener("click", () => decide(button.dataset.decision));
verdict?.querySelector("[data-edit]").addEventListener("click", edit);
if (verdict) new Keys(verdict, { submit: () => decide(fields ? "edit" : "accept"), commands: {} });
startReading(answer, 0);
page.dataset.ready = "";
