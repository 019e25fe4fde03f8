// Sends files as they are, one after the other, and shows how far each is.
//
// Any element can be an upload box: `data-upload="<address>"` (or another attribute passed to uploadFiles)
// around an <input type="file"> and a `[data-upload-list]` for progress. The server answers
// {sha256, name, bytes}.

const cookie = (name) =>
  document.cookie.split("; ").find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1);

const token = () =>
  document.querySelector("input[name=csrfmiddlewaretoken]")?.value ?? cookie("csrftoken") ?? "";

// Send one file; onProgress gets a share from 0 to 1. Resolves to {sha256, name, bytes}.
export function sendFile(url, file, onProgress = () => {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("X-CSRFToken", token());
    request.setRequestHeader("X-File-Name", encodeURIComponent(file.name));
    request.upload.addEventListener("progress", (event) => onProgress(event.loaded / (event.total || 1)));
    request.addEventListener("error", () => reject(new Error("The connection broke off; send the file again.")));
    request.addEventListener("load", () => {
      let answer = {};
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        answer = { message: `The server answered ${request.status}.` };
      }
      if (request.status === 201) resolve(answer);
      else reject(new Error(answer.message));
    });
    request.send(file);
  });
}

function line(list, file) {
  const item = document.createElement("li");
  const label = document.createElement("span");
  const bar = document.createElement("progress");
  label.textContent = file.name;
  bar.className = "progress";
  bar.max = 1;
  bar.value = 0;
  bar.setAttribute("aria-label", `Sending ${file.name}`);
  item.className = "row";
  item.append(label, bar);
  list.append(item);
  return { item, label, bar };
}

async function sendInto(url, file, list, onUploaded) {
  const shown = line(list, file);
  try {
    const answer = await sendFile(url, file, (share) => (shown.bar.value = share));
    shown.label.textContent = `${answer.name} is here`;
    onUploaded(answer);
  } catch (error) {
    shown.label.textContent = `${file.name}: ${error.message}`;
    shown.item.classList.add("field-error");
  }
  shown.bar.remove();
}

// Watch one upload box; onUploaded is called with the server's answer for each file that arrived.
export function uploadFiles(box, onUploaded, url = box.dataset.upload) {
  const input = box.querySelector("input[type=file]");
  const list = box.querySelector("[data-upload-list]");
  const send = async () => {
    const files = [...input.files];
    input.value = "";
    for (const file of files) await sendInto(url, file, list, onUploaded);
  };
  input.addEventListener("change", send);
  // A file may have been chosen before this script was there.
  if (input.files.length) send();
}
