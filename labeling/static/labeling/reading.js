// Reading aids: long answers fold, and answers may appear at the pace of a model.

const TALL_PX = 520;

function fold(box) {
  if (box.folding || box.scrollHeight <= TALL_PX * 1.25) return;
  box.folding = true;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "link-button fold-toggle";
  const set = (folded) => {
    box.classList.toggle("folded", folded);
    button.setAttribute("aria-expanded", String(!folded));
    button.textContent = folded ? "Show all" : "Fold";
  };
  button.addEventListener("click", () => set(!box.classList.contains("folded")));
  box.after(button);
  set(true);
}

// Shows the rendered answer word by word: the text is all there for screen readers and search from the start.
// A formula comes as one. A click or Escape shows all of it.
function stream(box, perSecond) {
  const walker = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
  const words = [];
  const nodes = [];
  while (walker.nextNode()) nodes.push(walker.currentNode);
  for (const node of nodes) {
    const formula = node.parentElement.closest("math");
    if (formula) {
      if (words.at(-1) !== formula) words.push(formula);
      continue;
    }
    for (const part of node.data.split(/(?<=\s)/)) {
      const word = document.createElement("span");
      word.textContent = part;
      node.before(word);
      words.push(word);
    }
    node.remove();
  }
  for (const word of words) word.classList.add("unread");
  let shown = 0;
  const started = performance.now();
  const showUpTo = (due) => {
    for (; shown < Math.min(words.length, due); shown += 1) words[shown].classList.remove("unread");
  };
  const step = () => {
    showUpTo(Math.floor(((performance.now() - started) / 1000) * perSecond));
    if (shown < words.length && box.isConnected) requestAnimationFrame(step);
  };
  step();
  box.addEventListener("click", () => showUpTo(Infinity));
  document.addEventListener("keydown", (event) => event.key === "Escape" && showUpTo(Infinity));
}

// Once read, answers are there at once; so they are for who wants no motion.
export function start(root, rate, id) {
  const seen = `tilth:streamed:${id}`;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches || sessionStorage.getItem(seen);
  if (rate > 0 && !still) {
    root.querySelectorAll("[data-stream]").forEach((box) => stream(box, rate));
    sessionStorage.setItem(seen, "1");
  }
  root.querySelectorAll("[data-fold]").forEach(fold);
}
