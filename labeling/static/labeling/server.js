// Talking to Tilth from the workspace: JSON there and back, and a clear word for each way to fail.

export class Fault extends Error {
  constructor(kind, message, body = {}) {
    super(message);
    this.kind = kind; // offline, signed_out, or the server's own code
    this.body = body;
  }
}

const csrf = () => document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? "";

export async function send(url, body, { keepalive = false } = {}) {
  let answer;
  try {
    answer = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": csrf(), Accept: "application/json" },
      body: JSON.stringify(body),
      redirect: "manual",
      keepalive,
    });
  } catch {
    throw new Fault("offline", "No connection to Tilth.");
  }
  // A redirect leads to the sign-in page; a refused token means that somebody signed in anew meanwhile.
  if (answer.type === "opaqueredirect" || answer.status === 401) throw new Fault("signed_out", "You are signed out.");
  let data = {};
  try {
    data = await answer.json();
  } catch {
    if (answer.status === 403) throw new Fault("signed_out", "You are signed out.");
    throw new Fault(answer.status >= 500 ? "offline" : "refused", `The server answered ${answer.status}.`);
  }
  if (!answer.ok) throw new Fault(answer.status >= 500 ? "offline" : data.code, data.message, data);
  return data;
}
