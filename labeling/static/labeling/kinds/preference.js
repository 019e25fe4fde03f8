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

function editWinner(root, api) {
  const box = root.querySelector("[data-edit-winner]");
  if (!box) return;
  const button = box.querySelector("[data-copy-winner]");
  const winner = () => /^[01]/.exec(api.payload().grade ?? "")?.[0];
  const area = box.querySelector("textarea");
  const originals = [...box.querySelectorAll("template")].map((one) => one.content.textContent);
  const update = () => (button.disabled = !winner() || !["", ...originals].includes(area.value)); // own words stay
  button.addEventListener("click", () => {
    const text = box.querySelector(`template[data-answer="${winner()}"]`).content.textContent;
    api.fill({ ...api.payload(), edited: text });
    area.focus();
  });
  root.addEventListener("input", update);
  root.addEventListener("tilth:filled", () => {
    update();
    if (api.payload().edited) box.open = true;
  });
}

export function start(root, api) {
  scrollInStep(root);
  editWinner(root, api);
}
