// How long somebody really works, and how the text came about. Content-blind: characters are counted, never kept.

const IDLE_AFTER_MS = 60000; // reading counts as work for a minute after the last movement
const TICK_MS = 1000;
const BEAT_MS = 30000;
const EVENTS = ["keydown", "pointermove", "pointerdown", "wheel", "scroll", "input"];

export class Clock {
  constructor(beat) {
    this.active = 0;
    this.idle = 0;
    this.touched = Date.now();
    for (const name of EVENTS) document.addEventListener(name, () => (this.touched = Date.now()), { passive: true, capture: true });
    setInterval(() => this.tick(), TICK_MS);
    setInterval(() => beat(this.take()), BEAT_MS);
  }

  tick() {
    if (document.hidden) return;
    const working = Date.now() - this.touched < IDLE_AFTER_MS;
    this[working ? "active" : "idle"] += TICK_MS / 1000;
  }

  // Seconds since they were last taken; what could not be delivered is given back.
  take() {
    const spent = { active: this.active, idle: this.idle };
    this.active = this.idle = 0;
    return spent;
  }

  giveBack(spent) {
    this.active += spent.active;
    this.idle += spent.idle;
  }
}

// Input Events Level 2: what each inputType says about where the characters come from. A spelling correction says
// so; dictation has no type of its own: it is text that comes without a key, or a change that says nothing of itself.
const CORRECTION = "insertReplacementText";
const KEY_MS = 1000; // a key's text follows it at once, however busy the machine is
const NAMELESS_KEYS = ["Process", "Unidentified", "Dead", "Enter"]; // input methods, keyboards of touch screens
const isTextKey = (event) => (event.key.length === 1 && (!(event.ctrlKey || event.metaKey) || event.getModifierState("AltGraph"))) || NAMELESS_KEYS.includes(event.key);
const squeezed = (text) => text.replace(/\s+/g, " ").trim(); // a clipboard has line ends of its own
const fromPage = (text) => {
  const copied = sessionStorage.getItem("tilth:copied") ?? "";
  return Boolean(copied) && squeezed(copied).includes(squeezed(text));
};
const counted = (event) => !event.target.closest?.("[data-uncounted]"); // a source is there to be pasted

export class InputLog {
  constructor(root, start) {
    this.counts = { ...start };
    this.keyAt = -Infinity;
    this.announced = false;
    document.addEventListener("keydown", (event) => isTextKey(event) && (this.keyAt = event.timeStamp), { capture: true });
    root.addEventListener("beforeinput", (event) => {
      this.announced = true;
      if (counted(event)) this.note(event);
    });
    root.addEventListener("input", (event) => this.after(event));
    // A composition (Chinese, Japanese, accents) reports its text again with each key: it counts once, at its end.
    root.addEventListener("compositionend", (event) => counted(event) && this.add("typed", event.data.length));
    root.addEventListener("tilth:inserted", (event) => this.add("typed", event.detail.characters));
    for (const name of ["copy", "cut", "dragstart"]) document.addEventListener(name, () => this.copied());
  }

  // What was copied on this page, so that pasting it again is told apart from pasting something from outside.
  copied() {
    const field = document.activeElement;
    const selected = field?.selectionStart === undefined ? String(getSelection()) : field.value.slice(field.selectionStart, field.selectionEnd);
    if (selected.trim()) sessionStorage.setItem("tilth:copied", selected.slice(0, 200000));
  }

  add(kind, characters) {
    this.counts[kind] = (this.counts[kind] ?? 0) + characters;
  }

  // Some programs that write for people change a field without announcing it.
  after(event) {
    if (!this.announced && event instanceof InputEvent && counted(event)) this.note(event);
    this.announced = false;
  }

  note(event) {
    const text = event.data ?? event.dataTransfer?.getData("text/plain") ?? "";
    const kind = event.inputType;
    if (event.isComposing || kind.includes("Composition")) return;
    if (kind.startsWith("delete")) this.add("deleted", 1);
    else if (kind === "insertFromPaste" || kind === "insertFromPasteAsQuotation") this.add(fromPage(text) ? "pasted_page" : "pasted_elsewhere", text.length);
    else if (kind === "insertFromDrop") this.add(fromPage(text) ? "pasted_page" : "dropped", text.length);
    else if (kind === CORRECTION) this.add("corrected", text.length);
    else if (!kind || (kind === "insertText" && event.timeStamp - this.keyAt > KEY_MS)) this.add("dictated", text.length);
    else if (kind.startsWith("insert")) this.add("typed", Math.max(1, text.length));
  }
}
