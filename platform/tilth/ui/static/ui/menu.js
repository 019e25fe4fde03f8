// The navigation drawer of small screens, menus that close when one looks away, and the theme buttons.

function drawer() {
  const button = document.querySelector("[data-menu]");
  const sidebar = document.getElementById("sidebar");
  if (!button || !sidebar) return;
  const backdrop = document.createElement("div");
  backdrop.className = "backdrop";
  const set = (open) => {
    sidebar.classList.toggle("open", open);
    button.setAttribute("aria-expanded", String(open));
    if (open) document.body.append(backdrop);
    else backdrop.remove();
    if (open) sidebar.querySelector("a").focus();
  };
  button.addEventListener("click", () => set(!sidebar.classList.contains("open")));
  backdrop.addEventListener("click", () => set(false));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !sidebar.classList.contains("open")) return;
    set(false);
    button.focus();
  });
}

function menus() {
  const close = (except) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(except)) menu.open = false;
  };
  document.addEventListener("click", (event) => close(event.target));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = document.activeElement?.closest("details.menu[open]");
    if (menu) menu.querySelector("summary").focus();
    close(null);
  });
}

function theme() {
  const form = document.querySelector("[data-theme-form]");
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = new FormData(form, event.submitter);
    const chosen = event.submitter.value;
    document.documentElement.dataset.theme = chosen;
    for (const button of form.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.value === chosen));
    const headers = { "X-Requested-With": "fetch" };
    const answer = await fetch(form.action, { method: "POST", body, headers });
    if (!answer.ok) location.reload(); // not kept: show what is
  }, true);
}

export function start() {
  drawer();
  menus();
  theme();
}
