// Two answers side by side: they scroll in step, and the better one can be taken over for editing.

function scrollInStep(root) {
  const toggle = root.querySelector("#in-step");
  const answers = [...root.querySelectorAll("[data-in-step] > .answer")];
  let leader = null;
  let quiet;
  for (const answer of answers) {
    answer.addEventListener("scroll", () => {
      if (!toggle.checked || (leader && leader !== answer)) return;
      leader = answer;
      const share = answer.scrollTop / Math.max(1, answer.scrollHeight - answer.clientHeight);
      for (const other of answers) if (other !== answer) other.scrollTop = share * (other.scrollHeight - other.clientHeight);
      clearTimeout(quiet);
      quiet = setTimeout(() => (leader = null), 120);
    });
  }
}

// Each answer has an edit of its own, so that the words for one are never taken for the other's when the grade
// changes sides. Shown are the better answer's, and whatever has been written.
function editWinner(root, api) {
  const box = root.querySelector("[data-edit-winner]");
  if (!box) return;
  const button = box.querySelector("[data-copy-winner]");
  const sides = new Map([...box.querySelectorAll("[data-edit-of]")].map((side) => [side.dataset.editOf, side]));
  const areaOf = (side) => side.querySelector("textarea");
  const original = (side) => side.querySelector("template").content.textContent;
  const winner = () => sides.get((api.payload().grade ?? "").split(":")[0]);

  function update() {
    const won = winner();
    for (const side of sides.values()) {
      side.hidden = side !== won && !areaOf(side).value && !side.contains(document.activeElement);
      side.querySelector("[data-unused]").hidden = side === won;
    }
    box.querySelector("[data-no-winner]").hidden = Boolean(won);
    box.querySelector("[data-may-copy]").hidden = !won;
    button.disabled = !won || !["", original(won)].includes(areaOf(won).value); // own words stay
  }

  button.addEventListener("click", () => {
    const won = winner();
    const payload = api.payload();
    api.fill({ ...payload, edited: { ...payload.edited, [won.dataset.editOf]: original(won) } });
    areaOf(won).focus();
  });
  root.addEventListener("input", update);
  box.addEventListener("focusout", () => setTimeout(update)); // an emptied one goes once it is left
  root.addEventListener("tilth:filled", () => {
    update();
    if ([...sides.values()].some((side) => areaOf(side).value)) box.open = true;
  });
}

export function start(root, api) {
  scrollInStep(root);
  editWinner(root, api);
}
