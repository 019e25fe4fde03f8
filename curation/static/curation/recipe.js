// Steps of a recipe move up and down by buttons; the place numbers, which the server reads, follow.

const list = document.querySelector("[data-steps]");
const said = document.querySelector("[data-steps-said]");

function renumber() {
  const steps = [...list.children];
  steps.forEach((step, index) => {
    step.querySelector("[name$='.place']").value = index + 1;
    step.querySelector("[data-move=up]").disabled = index === 0;
    step.querySelector("[data-move=down]").disabled = index === steps.length - 1;
  });
}

list.addEventListener("click", (event) => {
  const button = event.target.closest("[data-move]");
  if (!button) return;
  const step = button.closest("[data-step]");
  if (button.dataset.move === "up") step.previousElementSibling?.before(step);
  else step.nextElementSibling?.after(step);
  renumber();
  (button.disabled ? step.querySelector("[data-move]:not(:disabled)") : button)?.focus();
  said.textContent = `${step.dataset.step} is now step ${[...list.children].indexOf(step) + 1} of ${list.children.length}`;
});

// A number typed by hand takes the step to its place.
list.addEventListener("change", (event) => {
  if (!event.target.name?.endsWith(".place")) return;
  const step = event.target.closest("[data-step]");
  const others = [...list.children].filter((other) => other !== step);
  const place = Math.min(Math.max(1, Number(event.target.value) || 1), others.length + 1);
  if (place > others.length) list.append(step);
  else others[place - 1].before(step);
  renumber();
  event.target.focus();
});

for (const button of list.querySelectorAll("[data-move]")) button.hidden = false;
renumber();
