// Follows a job's log. Lines are outside text: they reach the page as text nodes only.

const POLL_MS = 1500;
const MOST_LINES = 5000;

class LogTail {
  constructor(root) {
    this.root = root;
    this.pane = root.querySelector("[data-log-lines]");
    this.button = root.querySelector("[data-log-follow]");
    this.state = root.querySelector("[data-log-state]");
    this.position = root.dataset.position;
    this.attempt = Number(this.pane.querySelector(".log-line:last-of-type")?.dataset.attempt ?? 0);
    this.following = true;
    this.button.addEventListener("click", () => this.follow(!this.following));
    this.pane.addEventListener("wheel", (event) => event.deltaY < 0 && this.follow(false), { passive: true });
  }

  start() {
    this.toEnd();
    if (!this.root.dataset.live) return;
    this.button.hidden = false;
    this.poll();
  }

  follow(on) {
    this.following = on;
    this.button.setAttribute("aria-pressed", String(on));
    this.button.textContent = on ? "Following" : "Follow";
    if (on) this.toEnd();
  }

  toEnd() {
    this.pane.scrollTop = this.pane.scrollHeight;
  }

  async poll() {
    let again = true;
    try {
      const answer = await fetch(`${this.root.dataset.url}?after=${this.position}`);
      if (answer.redirected || answer.status === 403 || answer.status === 404) return;
      if (answer.ok) again = this.take(await answer.json());
    } catch {
      this.state.textContent = "The server does not answer; trying again.";
    }
    if (again) setTimeout(() => this.poll(), POLL_MS);
  }

  take(page) {
    this.state.textContent = "";
    this.position = page.position;
    for (const line of page.lines) this.add(line);
    while (this.pane.childElementCount > MOST_LINES) this.pane.firstElementChild.remove();
    if (page.lines.length) {
      this.root.querySelector("[data-log-empty]").hidden = true;
      this.pane.hidden = false;
      if (this.following) this.toEnd();
    }
    if (page.live || page.more) return true;
    this.button.hidden = true;
    this.state.textContent = "The job has stopped.";
    return false;
  }

  add(line) {
    if (line.attempt !== this.attempt) {
      this.attempt = line.attempt;
      this.pane.append(span("muted", `— attempt ${line.attempt} —\n`));
    }
    const row = span(`log-line ${line.level}`, "");
    row.dataset.attempt = line.attempt;
    row.append(span("muted", line.clock), ` ${line.text}\n`);
    this.pane.append(row);
  }
}

function span(name, text) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}

function startAll() {
  for (const root of document.querySelectorAll("[data-log]:not([data-started])")) {
    root.dataset.started = "1";
    new LogTail(root).start();
  }
}

startAll();
document.addEventListener("htmx:load", startAll);
