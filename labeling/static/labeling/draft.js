// A draft that is never lost: every keystroke goes to the browser's storage, every pause to the server.
// The server counts revisions. A save based on an older one is refused and both texts are offered.

import { Kept } from "./kept.js";
import { Fault, send } from "./server.js";

const PAUSE_MS = 700; // after the last keystroke
const LONGEST_MS = 4000; // while somebody types without a pause
const RETRY_MS = [1000, 2000, 4000, 8000, 15000];

// Databases give an object's keys back in an order of their own: it says nothing.
const sorted = (key, value) => (value && typeof value === "object" && !Array.isArray(value) ? Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))) : value);
const same = (one, other) => JSON.stringify(one, sorted) === JSON.stringify(other, sorted);

export class Draft {
  // source: {id, url, token, revision, payload}; clock and inputs() tell of the work; on: what to call.
  constructor(source, { read, clock, inputs, on }) {
    Object.assign(this, source, { read, clock, inputs, on });
    this.kept = new Kept(`draft:${this.id}`);
    this.tab = this.kept.tab;
    this.saved = this.payload; // as the server has it
    this.dirty = false;
    this.failures = 0;
    this.closed = false;
    this.kept.onElsewhere((other) => this.onOtherTab(other));
    window.addEventListener("online", () => this.flush());
    window.addEventListener("pagehide", () => this.lastWords());
    document.addEventListener("visibilitychange", () => (document.hidden ? this.lastWords() : this.flush()));
  }

  // What the browser kept and the server has not: the text to go on with, or nothing. It stands on the revision
  // that it was written on: where the server has a newer one, from another machine, both are offered.
  recovered() {
    const kept = this.kept.get();
    if (!kept?.dirty || same(kept.payload, this.saved)) return null;
    this.revision = kept.revision;
    this.dirty = true;
    return kept.payload;
  }

  changed() {
    this.dirty = true;
    this.remember();
    this.on.state("unsaved");
    clearTimeout(this.timer);
    this.since ??= Date.now();
    const wait = Math.max(0, Math.min(PAUSE_MS, this.since + LONGEST_MS - Date.now()));
    this.timer = setTimeout(() => this.flush(), wait);
  }

  remember() {
    const kept = this.kept.put({ payload: this.read(), revision: this.revision, dirty: this.dirty });
    if (!kept) this.on.state("full"); // the server has the text all the same
  }

  // Sends the text with what came about since; seconds that did not arrive are told again.
  async send(url, payload, more = {}, options = {}) {
    const spent = this.clock.take();
    try {
      const body = { token: this.token, revision: this.revision, tab: this.tab, payload, inputs: this.inputs(), ...spent, ...more };
      return await send(url, body, options);
    } catch (fault) {
      this.clock.giveBack(spent);
      throw fault;
    }
  }

  async flush() {
    clearTimeout(this.timer);
    if (this.busy || !this.dirty || this.closed || this.conflict) return this.busy;
    this.since = null;
    this.busy = this.save().finally(() => (this.busy = null));
    await this.busy;
    if (this.dirty && !this.failures && !this.conflict && !this.closed) this.timer = setTimeout(() => this.flush(), PAUSE_MS);
  }

  async save() {
    const payload = this.read();
    this.dirty = false;
    this.on.state("saving");
    try {
      this.took(await this.send(this.url, payload), payload);
    } catch (fault) {
      this.dirty = true;
      this.remember();
      this.failed(fault, payload);
    }
  }

  took(answer, payload) {
    this.failures = 0;
    this.revision = answer.revision;
    this.saved = payload;
    this.remember();
    this.on.state("saved", answer.saved_at);
  }

  failed(fault, mine) {
    if (!(fault instanceof Fault)) throw fault;
    if (fault.kind === "draft_moved" && same(mine, fault.body.payload)) this.settle(fault.body.revision, mine); // arrived, unheard
    else if (fault.kind === "draft_moved") {
      this.conflict = true;
      this.on.conflict({ mine, theirs: fault.body.payload, revision: fault.body.revision, token: fault.body.token });
    } else if (fault.kind === "hold_ended") {
      this.closed = true;
      this.on.ended(fault.message);
    } else {
      this.failures += 1;
      this.on.state(fault.kind, fault.message);
      const wait = RETRY_MS[Math.min(this.failures, RETRY_MS.length) - 1];
      this.timer = setTimeout(() => this.flush(), wait);
    }
  }

  // The person chose between two texts: go on from the server's revision with what was chosen.
  settle(revision, theirs) {
    this.revision = revision;
    this.saved = theirs;
    this.conflict = false;
    this.failures = 0;
    this.dirty = !same(this.read(), theirs);
    this.remember();
    if (this.dirty) this.flush();
    else this.on.state("saved");
  }

  // The same task in another tab of this browser: take over what it saved, unless this one has its own.
  onOtherTab(other) {
    if (other.dirty || other.revision <= this.revision) return;
    if (this.dirty) return; // the next save finds out and asks
    this.revision = other.revision;
    this.saved = other.payload;
    this.on.elsewhere(other.payload);
  }

  // The page goes away: try once more without waiting for an answer. Storage has the text in any case.
  lastWords() {
    if (!this.dirty || this.closed || this.conflict || this.busy) return;
    const payload = this.read();
    this.send(this.url, payload, {}, { keepalive: true })
      .then((answer) => {
        this.dirty = !same(payload, this.read());
        this.took(answer, payload);
      })
      .catch(() => this.remember());
  }

  // Submitted: the browser's copy is not needed any more.
  done() {
    this.closed = true;
    clearTimeout(this.timer);
    this.kept.drop();
  }
}
