// The workspace of one task: fields, draft, keys, clocks and the way out (submit, undo, next).

import { Clock, InputLog } from "./activity.js";
import { start as startAttaching } from "./attach.js";
import { Draft } from "./draft.js";
import { Fields } from "./fields.js";
import { Keys } from "./keys.js";
import { previewer, watch } from "./preview.js";
import { start as startReading } from "./reading.js";
import { Fault, send } from "./server.js";
import { Status } from "./status.js";

// Back and forward show a page as it was once, with a draft of long ago: ask for it as it is now.
if (performance.getEntriesByType("navigation")[0]?.type === "back_forward") {
  location.reload();
  await new Promise(() => {});
}
window.addEventListener("pageshow", (event) => event.persisted && location.reload());
// A page that was fetched ahead serves once: whatever opens this address again gets it anew.
if (location.search === "?ahead") history.replaceState(null, "", location.pathname);

const page = document.getElementById("workspace");
const pane = document.getElementById("pane");
const data = JSON.parse(page.dataset.workspace);
const status = new Status(page);
const fields = new Fields(pane);
const inputs = new InputLog(pane, data.inputs);
const render = previewer(data.urls.preview);

const clock = new Clock(async (spent) => {
  if (!data.open) return;
  try {
    await send(data.urls.presence, spent);
  } catch {
    clock.giveBack(spent);
  }
});

const draft = new Draft(
  { id: data.id, url: data.urls.draft, token: data.token, revision: data.revision, payload: data.payload },
  {
    read: () => fields.payload(),
    clock,
    inputs: () => inputs.counts,
    on: {
      state: (name, more) => status.show(name, more),
      conflict: async (both) => {
        const chosen = await status.choose(both);
        fields.fill(chosen === "mine" ? both.mine : both.theirs);
        draft.settle(both.revision, both.theirs);
      },
      ended: (message) => status.ended(message),
      elsewhere: (payload) => {
        fields.fill(payload);
        status.show("elsewhere");
      },
    },
  },
);

function begin() {
  const kept = draft.recovered();
  fields.fill(kept ?? data.payload);
  if (kept) {
    status.show("recovered");
    draft.flush();
  }
  pane.addEventListener("input", () => draft.changed());
}

// ---- the way out

const DONE = "tilth:done"; // what was handed in last: the page of the next task was fetched before that
const key = crypto.randomUUID(); // one submission, however often the request is sent
let sending = false;

async function submit(noticed = false) {
  if (sending || !data.open || draft.conflict) return;
  sending = true;
  status.busy(true);
  try {
    await draft.flush();
    if (draft.conflict || draft.failures) return;
    if (data.asks && !noticed && !(await status.ask("submit"))) return;
    const answer = await draft.send(data.urls.submit, fields.payload(), { key, noticed });
    draft.done();
    data.open = false;
    sessionStorage.setItem(DONE, JSON.stringify({ undo: answer.undo, next: new URL(answer.next, location).pathname, until: Date.now() + 1000 * answer.undo_seconds }));
    location.assign(answer.next);
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    await refused(fault);
  } finally {
    sending = false;
    status.busy(false);
  }
}

async function refused(fault) {
  if (fault.kind === "not_ready") status.problems(fault.body.problems, pane);
  else if (fault.kind === "noticed") {
    sending = false;
    if (await status.notice(fault.body.findings)) await submit(true);
  } else if (fault.kind === "draft_moved" || fault.kind === "hold_ended") draft.failed(fault, fields.payload());
  else status.show(fault.kind, fault.message);
}

page.querySelector("[data-submit]")?.addEventListener("click", () => submit());
const open = (name) => () => page.querySelector(`[data-dialog="${name}"]`)?.click();
new Keys(pane, { submit, commands: { n: open("skip"), h: open("help") } });

for (const button of page.querySelectorAll("[data-dialog]")) {
  button.addEventListener("click", () => document.getElementById(`dialog-${button.dataset.dialog}`).showModal());
}
for (const button of document.querySelectorAll("dialog [data-close]")) button.addEventListener("click", () => button.closest("dialog").close());

function offerUndo() {
  const done = JSON.parse(sessionStorage.getItem(DONE) ?? "null");
  const box = document.querySelector("[data-done]");
  if (done?.next !== location.pathname || done.until < Date.now()) return;
  const form = box.querySelector("form");
  form.action = done.undo;
  form.addEventListener("submit", () => sessionStorage.removeItem(DONE));
  box.hidden = false;
  setTimeout(() => (box.hidden = true), done.until - Date.now());
}
offerUndo();

// ---- side panes: hidden ones stay hidden on this machine

for (const button of page.querySelectorAll("[data-toggle-pane]")) {
  const name = button.dataset.togglePane;
  const set = (hidden) => {
    page.classList.toggle(`without-${name}`, hidden);
    button.setAttribute("aria-expanded", String(!hidden));
    localStorage.setItem(`tilth:pane:${name}`, hidden ? "hidden" : "");
  };
  set(localStorage.getItem(`tilth:pane:${name}`) === "hidden");
  button.addEventListener("click", () => set(!page.classList.contains(`without-${name}`)));
}

// ---- earlier texts

document.querySelector("[data-history]")?.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-restore]");
  if (!button) return;
  await draft.flush();
  try {
    const answer = await send(button.dataset.restore, { token: draft.token, revision: draft.revision });
    fields.fill(answer.payload);
    draft.settle(answer.revision, answer.payload);
    document.getElementById("dialog-history").close();
    status.show("restored");
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    draft.failed(fault, fields.payload());
  }
});

// ---- the hold

function holdIs(answer) {
  if (answer.hold_until) Object.assign(data, { heldAt: answer.held_at, holdUntil: answer.hold_until });
}

function watchHold() {
  const check = () => {
    const since = Date.parse(data.heldAt);
    const until = Date.parse(data.holdUntil);
    const warnAt = since + 0.75 * (until - since);
    if (!data.open || draft.revision > 0) return status.hold(null);
    if (Date.now() > warnAt) status.hold(new Date(until));
  };
  check();
  setInterval(check, 15000);
}

page.querySelector("[data-extend]")?.addEventListener("click", async () => {
  try {
    const answer = await send(data.urls.extend, {});
    holdIs(answer);
    status.hold(null);
    status.show("extended");
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    status.show(fault.kind, fault.message);
  }
});

// ---- the next task, held ahead and fetched, so that it is there at once

async function fetchAhead() {
  if (!data.open || !data.urls.prefetch) return;
  try {
    const answer = await send(data.urls.prefetch, {});
    if (!answer.url) return;
    const link = document.createElement("link");
    link.rel = "prefetch";
    link.href = answer.url;
    document.head.append(link);
  } catch {
    // Nothing depends on it: the next task is then claimed after submitting.
  }
}
pane.addEventListener("input", () => setTimeout(fetchAhead, 1500), { once: true });

async function startKind() {
  const api = { payload: () => fields.payload(), fill: (payload) => (fields.fill(payload), draft.changed()), changed: () => draft.changed(), preview: render, urls: data.urls };
  if (page.dataset.kind) (await import(page.dataset.kind)).start(pane, api);
}

watch(pane, render);
await startKind();
if (data.open) begin();
else fields.fill(data.payload);
startReading(page, data.open ? data.stream : 0, data.id);
startAttaching(() => draft.flush());
if (data.open) {
  send(data.urls.presence, { active: 0, idle: 0 }).then(holdIs, () => {});
  watchHold();
}
page.dataset.ready = "";
