// Comments on passages: text is selected where it stands in the answer, and a comment hangs on it.

function selected(answer) {
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

export class Passages {
  constructor(page, answer, changed) {
    Object.assign(this, { page, changed });
    this.comments = [];
    this.picked = null; // the passage selected last
    this.begun = null; // a comment that is being written: its passage, text and clause
    this.box = document.getElementById("dialog-comment");
    this.text = document.getElementById("comment-text");
    this.clause = document.getElementById("comment-clause");
    const bar = document.getElementById("passage");
    document.addEventListener("selectionchange", () => {
      const found = selected(answer);
      if (found) this.picked = found;
      bar.hidden = !found && !document.activeElement?.matches("[data-comment]");
    });
    bar.querySelector("[data-comment]").addEventListener("click", () => this.comment());
    this.box.addEventListener("input", () => this.write());
    this.box.addEventListener("close", () => this.close());
  }

  comment() {
    if (this.picked) this.begin({ ...this.picked, text: "", clause: "" });
  }

  begin(begun) {
    this.begun = begun;
    this.box.querySelector("[data-quote]").textContent = begun.quote;
    this.text.value = begun.text;
    if (this.clause) this.clause.value = begun.clause;
    this.box.returnValue = "";
    if (!this.box.open) this.box.showModal();
  }

  write() {
    Object.assign(this.begun, { text: this.text.value, clause: this.clause?.value ?? "" });
    this.changed();
  }

  close() {
    const text = this.text.value.trim();
    if (this.box.returnValue === "go" && text) this.comments.push({ ...this.begun, text });
    this.begun = null;
    this.show();
    this.changed();
  }

  fill({ comments, begun }) {
    this.comments = comments;
    this.show();
    if (begun?.text) this.begin(begun);
  }

  show() {
    document.getElementById("comments").replaceChildren(...this.comments.map((comment) => this.line(comment)));
    this.page.querySelector("[data-no-comments]").hidden = this.comments.length > 0;
  }

  line(comment) {
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
      this.comments = this.comments.filter((one) => one !== comment);
      this.show();
      this.changed();
    });
    line.append(words, remove);
    return line;
  }
}
