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
function stream(box, perSecond) {
  const walker = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
  const words = [];
  const nodes = [];
  while (walker.nextNode()) nodes.push(walker.currentNode);
  for (const node of nodes) {
    for (const part of node.data.split(/(?<=\s)/)) {
      const word = document.createElement("span");
      word.className = "unread";
      word.textContent = part;
      node.before(word);
      words.push(word);
    }
    node.remove();
  }
  let shown = 0;
  const started = performance.now();
  const step = () => {
    const due = Math.min(words.length, Math.floor(((performance.now() - started) / 1000) * perSecond));
    for (; shown < due; shown += 1) words[shown].classList.remove("unread");
    if (shown < words.length && box.isConnected) requestAnimationFrame(step);
  };
  step();
  box.addEventListener("click", () => words.forEach((word) => word.classList.remove("unread")), { once: true });
}

export function start(root, rate) {
  if (rate > 0) root.querySelectorAll("[data-stream]").forEach((box) => stream(box, rate));
  root.querySelectorAll("[data-fold]").forEach(fold);
}
